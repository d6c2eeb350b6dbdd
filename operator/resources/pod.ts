import { canonicalAddress } from '#core/address.ts';
import { ANNOTATIONS, LABELS, SIDECAR_CONTAINER } from '#core/constants.ts';
import { isDnsLabel } from '#core/names.ts';
import type { ObjectMeta } from '#core/resource.ts';
import type { Pod } from '#kube/types.ts';

export type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];

/**
 * Keeps what the operator needs of a pod and drops the rest (environment, volumes, managed fields), which is nine tenths of it.
 * Transform of the pods' reflector.
 */
export function prunePod(pod: Pod): Pod {
  const { spec, status } = pod;
  return {
    metadata: pruneMeta(pod.metadata, injectAnnotations(pod.metadata)),
    spec: {
      ...pick(spec, ['serviceAccountName', 'restartPolicy', 'nodeName', 'hostNetwork']),
      containers: (spec?.containers ?? []).map(({ name, ports }) => ({
        name,
        // Of a process outside of pods: only these ports of its address are its service's.
        ...(isRegistration(pod)
          ? { ports: (ports ?? []).slice(0, 100).map(({ containerPort }) => ({ containerPort })) }
          : {}),
      })),
      initContainers: (spec?.initContainers ?? []).map(({ name }) => ({ name })),
    },
    status: {
      ...pick(status, ['phase', 'podIP', 'podIPs']),
      conditions: (status?.conditions ?? [])
        .filter(({ type }) => type === 'Ready')
        .map((condition) => ({ type: condition.type, status: condition.status })),
      containerStatuses: (status?.containerStatuses ?? []).map(({ name, state }) => ({
        name,
        ...(state?.terminated ? { state: { terminated: { exitCode: state.terminated.exitCode } } } : {}),
      })),
    },
  } as unknown as Pod;
}

/** The part of an object's metadata that caches keep. */
export function pruneMeta(meta: ObjectMeta, annotations?: Readonly<Record<string, string>>): ObjectMeta {
  return {
    ...pick(meta, [
      'namespace',
      'uid',
      'resourceVersion',
      'generation',
      'creationTimestamp',
      'deletionTimestamp',
      'labels',
    ]),
    name: meta.name,
    ...(annotations ? { annotations } : {}),
  };
}

function injectAnnotations(meta: ObjectMeta): Readonly<Record<string, string>> | undefined {
  const kept = Object.entries(meta.annotations ?? {}).filter(([name]) => name.startsWith('mesh/'));
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** Whether the pod only stands for a process outside of pods: `mesh run` made it, and no kubelet runs it. */
export function isRegistration(pod: Pod): boolean {
  const { nodeName, hostNetwork } = pod.spec ?? {};
  return pod.metadata.labels?.[LABELS.run] !== undefined && !nodeName && hostNetwork !== true;
}

/** Where the sidecar of a process outside of pods listens; undefined for those of pods, which all have the same port. */
export function sidecarPort(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[ANNOTATIONS.sidecarPort];
  if (!isRegistration(pod) || text === undefined || !/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** The logical service an injected pod stands for; undefined when its label is no service name. */
export function podService(pod: Pod): string | undefined {
  const service = pod.metadata.labels?.[LABELS.service];
  return service !== undefined && isDnsLabel(service) ? service : undefined;
}

/** Every address of a pod, each in one spelling. The kubelet writes them; for a process outside of pods, whoever registered it. */
export function podAddresses({ status }: Pod): readonly string[] {
  const all = [status?.podIP, ...(status?.podIPs ?? []).map(({ ip }) => ip)];
  return [
    ...new Set(all.filter((ip): ip is string => typeof ip === 'string' && ip !== '').map(canonicalAddress)),
  ];
}

/** Whether the pod's spec has the sidecar's container, native or ordinary. */
export function carriesSidecar({ spec }: Pod): boolean {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].some(
    ({ name }) => name === SIDECAR_CONTAINER,
  );
}

/** Whether injection has changed this pod. */
export function isInjected(pod: Pod): boolean {
  return pod.metadata.labels?.[LABELS.injected] !== undefined;
}

export function podServiceAccount(pod: Pod): string {
  return pod.spec?.serviceAccountName ?? 'default';
}

/** Whether the pod's containers have ended for good, or never will run. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Whether the pod is one of the service's instances: it runs, will run, or is just starting. */
export function isInstance(pod: Pod): boolean {
  return !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

export function isReady(pod: Pod): boolean {
  return (
    isInstance(pod) &&
    (pod.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')
  );
}

/** The statuses of the pod's own containers, the sidecar left out. */
export function applicationContainers(pod: Pod): readonly ContainerStatus[] {
  return (pod.status?.containerStatuses ?? []).filter(({ name }) => name !== SIDECAR_CONTAINER);
}

function pick<T extends object, K extends keyof T>(
  from: T | undefined,
  keys: readonly K[],
): Partial<Pick<T, K>> {
  const kept: Partial<Pick<T, K>> = {};
  for (const key of keys) if (from?.[key] !== undefined) kept[key] = from[key];
  return kept;
}
