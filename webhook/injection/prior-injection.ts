import { PORTS, SIDECAR_CONTAINER, VOLUMES } from '#core/constants.ts';
import { isOwnContainer, sidecarOfPod } from '#core/sidecar-of-pod.ts';
import type { Container, Pod, Probe } from './pod.ts';
import { placedContainers, podSchema, runsWithThePod } from './pod.ts';
import { ACTIONS, HOOKS, PROBES, PROBE_PATH } from './probes.ts';

/** A pod that carries our parts already: the second pass of an admission, or a copy of a meshed pod. */
export interface PriorInjection {
  /** The pod as its author and other webhooks wrote it: our parts taken out, its probes asking the application again. */
  readonly pod: Pod;
  /** The paths of hooks, which stay as they are, by `<container>/<kind>`. */
  readonly hooks: ReadonlyMap<string, string>;
}

/** The end of a hook's path. */
const SECRET = /^[0-9a-f]{32}$/;

type Originals = Readonly<Record<string, unknown>>;

/**
 * Takes our parts out of a pod, so that they can be made again from what is left. It goes by what stands in the spec, and by no
 * marker: containers that only have our names are not ours, and then this is undefined.
 */
export function priorInjection(pod: Pod): PriorInjection | undefined {
  if ('fault' in sidecarOfPod(pod.spec)) return undefined;
  const sidecar = placedContainers(pod).find(({ container }) => container.name === SIDECAR_CONTAINER);
  const originals = originalsOf(sidecar?.container);
  const hooks = new Map<string, string>();
  const running = new Set(
    placedContainers(pod)
      .filter(runsWithThePod)
      .map(({ container }) => container),
  );
  const restored = (list: readonly Container[]): Container[] =>
    list
      .filter((container) => !isOwnContainer(container))
      .map((container) => (running.has(container) ? restore(container, originals, hooks) : container));
  const { initContainers, volumes, ...spec } = pod.spec;
  const init = restored(initContainers ?? []);
  const own: readonly string[] = Object.values(VOLUMES);
  const bare = {
    ...pod,
    spec: {
      ...spec,
      containers: restored(spec.containers),
      ...(init.length > 0 ? { initContainers: init } : {}),
      ...(volumes ? { volumes: volumes.filter(({ name }) => !own.includes(name)) } : {}),
    },
  };
  // What came out of our own environment variable may have been written by anybody.
  const parsed = podSchema.safeParse(bare);
  return parsed.success && !asksUs(parsed.data) ? { pod: parsed.data, hooks } : undefined;
}

/** Whether a probe still leads to the sidecar: what it led to before is not known. */
function asksUs(pod: Pod): boolean {
  return placedContainers(pod).some(({ container }) =>
    [
      ...PROBES.map(([field]) => container[field]?.httpGet),
      ...HOOKS.map(([field]) => container.lifecycle?.[field]?.httpGet),
    ].some((action) => action?.port === PORTS.admin),
  );
}

function originalsOf(sidecar: Container | undefined): Originals {
  const text = sidecar?.env?.find(({ name }) => name === 'MESH_PROBES')?.value ?? '{}';
  try {
    const value: unknown = JSON.parse(text.replaceAll('$$', '$'));
    return typeof value === 'object' && value !== null ? (value as Originals) : {};
  } catch {
    return {};
  }
}

function restore(container: Container, originals: Originals, hooks: Map<string, string>): Container {
  const changed: Record<string, unknown> = {};
  for (const [field, kind] of PROBES) {
    const probe = container[field];
    const original = probe && originalOf(probe, originals, (key) => key === `${container.name}/${kind}`);
    if (probe && original) changed[field] = { ...without(probe, ACTIONS), ...original };
  }
  const lifecycle: Record<string, unknown> = {};
  for (const [field, kind] of HOOKS) {
    const hook = container.lifecycle?.[field];
    const begin = `${container.name}/${kind}-`;
    const original =
      hook &&
      originalOf(hook, originals, (key) => key.startsWith(begin) && SECRET.test(key.slice(begin.length)));
    if (!hook || !original) continue;
    lifecycle[field] = { ...hook, httpGet: original['httpGet'] };
    hooks.set(`${container.name}/${kind}`, keyOf(hook));
  }
  if (Object.keys(lifecycle).length > 0) changed['lifecycle'] = { ...container.lifecycle, ...lifecycle };
  return Object.keys(changed).length > 0 ? { ...container, ...changed } : container;
}

/** What the probe asked before; undefined when it does not ask the sidecar for its own container. */
function originalOf(
  probe: Probe,
  originals: Originals,
  isItsOwn: (key: string) => boolean,
): Readonly<Record<string, unknown>> | undefined {
  const key = keyOf(probe);
  if (probe.httpGet?.port !== PORTS.admin || !isItsOwn(key)) return undefined;
  const original = Object.hasOwn(originals, key) ? originals[key] : undefined;
  return typeof original === 'object' && original !== null
    ? (original as Readonly<Record<string, unknown>>)
    : undefined;
}

function keyOf({ httpGet }: Pick<Probe, 'httpGet'>): string {
  const path = httpGet?.path ?? '';
  return path.startsWith(PROBE_PATH) ? path.slice(PROBE_PATH.length) : '';
}

function without(value: object, fields: readonly string[]): object {
  return Object.fromEntries(Object.entries(value).filter(([field]) => !fields.includes(field)));
}
