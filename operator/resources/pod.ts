import { canonicalAddress } from '#core/net/address.ts';
import { ANNOTATIONS, LABELS, RUN_SCHEDULER, SIDECAR_CONTAINER } from '#core/constants.ts';
import { isDnsLabel } from '#core/names.ts';
import type { ObjectMeta } from '#core/resource.ts';
import type { Pod } from '#kube/types.ts';

export type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];

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

/**
 * Whether the pod only stands for a process outside of pods: `mesh run` made it, and no kubelet runs it. The label alone says nothing,
 * since labels change; the scheduler's name does not.
 */
export function isRegistration(pod: Pod): boolean {
  const { nodeName, hostNetwork, schedulerName } = pod.spec ?? {};
  const isMarked = pod.metadata.labels?.[LABELS.run] !== undefined;
  return isMarked && schedulerName === RUN_SCHEDULER && !nodeName && hostNetwork !== true;
}

/** Where the sidecar of a process outside of pods listens; undefined for those of pods, which all have the same port. */
export function sidecarPort(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[ANNOTATIONS.sidecarPort];
  if (!isRegistration(pod) || text === undefined || !/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** The logical service that a pod's label names; undefined when that is not a valid service name. It grants nothing: see `member.ts`. */
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

/** The fields of these names that are there. */
export function pick<T extends object, K extends keyof T>(
  from: T | undefined,
  keys: readonly K[],
): Partial<Pick<T, K>> {
  const kept: Partial<Pick<T, K>> = {};
  for (const key of keys) if (from?.[key] !== undefined) kept[key] = from[key];
  return kept;
}
