import { PORTS, SIDECAR_CONTAINER, VOLUMES } from '#core/constants.ts';
import { isOwnContainer, sidecarOfPod } from '#core/pod/sidecar-of-pod.ts';
import type { Container, Pod, Probe } from './pod.ts';
import { placedContainers, podSchema, runsWithThePod } from './pod.ts';
import { ACTIONS, HOOKS, PROBES, PROBE_PATH, probeKey } from './probes.ts';

/** A pod that carries our parts already: the second pass of an admission, or a copy of a meshed pod. */
export interface PriorInjection {
  /** The pod as its author and other webhooks wrote it: our parts taken out, its probes asking the application again. */
  readonly pod: Pod;
  /** What the paths of its probes are made from, which stay as they are. */
  readonly seed: string;
}

const SEED = /^[0-9a-f]{32}$/;

/** What our own environment says of the probes that were rewritten. */
interface Rewritten {
  readonly seed: string;
  readonly originals: Readonly<Record<string, unknown>>;
}

/**
 * Takes our parts out of a pod, so that they can be made again from what is left. It goes by what stands in the spec, and by no
 * marker: containers that only have our names are not ours, and then this is undefined.
 */
export function priorInjection(pod: Pod): PriorInjection | undefined {
  if ('fault' in sidecarOfPod(pod.spec)) return undefined;
  const sidecar = placedContainers(pod).find(({ container }) => container.name === SIDECAR_CONTAINER);
  const seed = valueOf(sidecar?.container, 'MESH_PROBE_SECRET');
  if (!SEED.test(seed)) return undefined;
  const rewritten = { seed, originals: originalsOf(sidecar?.container) };
  const running = new Set(
    placedContainers(pod)
      .filter(runsWithThePod)
      .map(({ container }) => container),
  );
  const restored = (list: readonly Container[]): Container[] =>
    list
      .filter((container) => !isOwnContainer(container))
      .map((container) => (running.has(container) ? restore(container, rewritten) : container));
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
  return parsed.success && !asksUs(parsed.data) ? { pod: parsed.data, seed } : undefined;
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

function valueOf(sidecar: Container | undefined, variable: string): string {
  return sidecar?.env?.find(({ name }) => name === variable)?.value ?? '';
}

function originalsOf(sidecar: Container | undefined): Rewritten['originals'] {
  const text = valueOf(sidecar, 'MESH_PROBES');
  try {
    const value: unknown = JSON.parse(text.replaceAll('$$', '$'));
    return typeof value === 'object' && value !== null ? (value as Rewritten['originals']) : {};
  } catch {
    return {};
  }
}

function restore(container: Container, rewritten: Rewritten): Container {
  const changed: Record<string, unknown> = {};
  for (const [field, kind] of PROBES) {
    const probe = container[field];
    const original = probe && originalOf(probe, probeKey(rewritten.seed, container.name, kind), rewritten);
    if (probe && original) changed[field] = { ...without(probe, ACTIONS), ...original };
  }
  const lifecycle: Record<string, unknown> = {};
  for (const [field, kind] of HOOKS) {
    const hook = container.lifecycle?.[field];
    const original = hook && originalOf(hook, probeKey(rewritten.seed, container.name, kind), rewritten);
    if (!hook || !original) continue;
    lifecycle[field] = { ...hook, httpGet: original['httpGet'] };
  }
  if (Object.keys(lifecycle).length > 0) changed['lifecycle'] = { ...container.lifecycle, ...lifecycle };
  return Object.keys(changed).length > 0 ? { ...container, ...changed } : container;
}

/** What the probe asked before; undefined when it does not ask the sidecar for its own container. */
function originalOf(
  probe: Probe,
  key: string,
  { originals }: Rewritten,
): Readonly<Record<string, unknown>> | undefined {
  const { port, path } = probe.httpGet ?? {};
  if (port !== PORTS.admin || path !== `${PROBE_PATH}${key}`) return undefined;
  const original = Object.hasOwn(originals, key) ? originals[key] : undefined;
  return typeof original === 'object' && original !== null
    ? (original as Readonly<Record<string, unknown>>)
    : undefined;
}

function without(value: object, fields: readonly string[]): object {
  return Object.fromEntries(Object.entries(value).filter(([field]) => !fields.includes(field)));
}
