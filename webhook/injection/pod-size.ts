import type { InjectionRefusal } from './refusals.ts';

/**
 * How large a pod may be that joins the mesh. Kubernetes sets no such limits besides the size of the whole request; these are
 * far above real pods (tens of containers), and keep what injection does for one pod small, whoever sends it.
 */
export const POD_LIMITS = {
  containers: 128,
  initContainers: 128,
  ephemeralContainers: 64,
  volumes: 512,
  /** Ports of all containers together. */
  ports: 1_024,
  /** Mounts of all containers together. */
  volumeMounts: 4_096,
  /** Headers of one probe or hook. */
  httpHeaders: 64,
  /** Keys of `metadata.labels`, and of `metadata.annotations`. */
  keys: 512,
} as const;

const CONTAINER_LISTS = ['containers', 'initContainers', 'ephemeralContainers'] as const;
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const HOOKS = ['postStart', 'preStop'] as const;

/**
 * In what a pod is too large to join the mesh. Looks at numbers of entries only, so that it can come before anything reads the
 * pod; its work grows with the limits, not with the pod. Never throws: nothing about `pod` is known yet.
 *
 * @param own how many entries of each kind may be ours besides
 */
export function sizeRefusals(
  pod: unknown,
  { own = 0 }: { readonly own?: number } = {},
): readonly InjectionRefusal[] {
  const over = (field: string, found: number, most: number): InjectionRefusal[] =>
    found <= most + own ? [] : [tooLarge(field, found, most)];
  const { metadata, spec } = members(pod);
  const lists = members(spec);
  const refusals = [
    ...over('spec.volumes', length(lists['volumes']), POD_LIMITS.volumes),
    ...CONTAINER_LISTS.flatMap((list) => over(`spec.${list}`, length(lists[list]), POD_LIMITS[list])),
    ...(['labels', 'annotations'] as const).flatMap((map) =>
      over(`metadata.${map}`, keys(members(metadata)[map]), POD_LIMITS.keys),
    ),
  ];
  if (refusals.length > 0) return refusals;
  const containers = CONTAINER_LISTS.flatMap((list) => entries(lists[list])).map(members);
  const sum = (list: string): number => containers.reduce((total, one) => total + length(one[list]), 0);
  const headers = Math.max(0, ...containers.flatMap(headerCounts));
  return [
    ...over('ports of all containers', sum('ports'), POD_LIMITS.ports),
    ...over('volumeMounts of all containers', sum('volumeMounts'), POD_LIMITS.volumeMounts),
    ...over('httpHeaders of a probe or hook', headers, POD_LIMITS.httpHeaders),
  ];
}

/** The pod without what there may be too much of: enough to see whether it asks for the mesh. */
export function withoutLists(pod: unknown): unknown {
  const { metadata, spec } = members(pod);
  const { labels, annotations, ...names } = members(metadata);
  const small = (map: unknown): object => (keys(map) > POD_LIMITS.keys ? {} : { ...members(map) });
  const { hostNetwork, serviceAccountName, os } = members(spec);
  return {
    metadata: { ...names, labels: small(labels), annotations: small(annotations) },
    spec: { hostNetwork, serviceAccountName, os, containers: [{ name: 'of-many' }] },
  };
}

function tooLarge(field: string, found: number, most: number): InjectionRefusal {
  return {
    reason: 'too-large',
    field,
    message: `has ${found} entries; a pod of the mesh may have at most ${most}: make several pods of it, or write mesh/inject: "false"`,
  };
}

function headerCounts(container: Readonly<Record<string, unknown>>): number[] {
  const lifecycle = members(container['lifecycle']);
  const actions = [...PROBES.map((probe) => container[probe]), ...HOOKS.map((hook) => lifecycle[hook])];
  return actions.map((action) => length(members(members(action)['httpGet'])['httpHeaders']));
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function entries(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function length(value: unknown): number {
  return entries(value).length;
}

function keys(value: unknown): number {
  return Object.keys(members(value)).length;
}
