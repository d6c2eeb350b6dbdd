/** A pod's controller, as its owner reference names it. */
export interface PodOwner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/** What people know as the workload a pod belongs to. */
export interface Workload {
  readonly kind: 'Deployment' | 'Rollout' | 'ReplicaSet' | 'StatefulSet' | 'DaemonSet' | 'CronJob' | 'Job';
  readonly name: string;
}

/** Who makes ReplicaSets puts this label on their pods, and its value at the end of their names: Deployments, and the Rollouts of Argo. */
const TEMPLATE_HASHES = [
  ['pod-template-hash', 'Deployment'],
  ['rollouts-pod-template-hash', 'Rollout'],
] as const;
/** The CronJob controller ends the name of a Job with its scheduled time, as Unix time in minutes (kubernetes/pkg/controller/cronjob, `getJobName`). */
const SCHEDULED = /^(.+)-([0-9]{8})$/;
const MINUTE_MS = 60_000;
/** A run of a CronJob makes its pods about when it is scheduled; a number that means another time is part of a Job's own name. */
const LONGEST_RUN_MINUTES = 31 * 24 * 60;
const CLOCKS_APART_MINUTES = 60;

/**
 * The workload that made a pod, as far as the pod itself shows it: the names of what is between (a ReplicaSet's, the run's of a CronJob)
 * would change with every rollout and every run. Undefined for pods without a controller, and for controllers of other kinds, whose
 * names may mean anything. Pure. Whoever creates a pod writes this, so it is a name and no proof of anything.
 *
 * @param now Unix time in milliseconds
 */
export function workloadOf(
  pod: { readonly owner?: PodOwner; readonly labels?: Readonly<Record<string, string>> },
  now: number,
): Workload | undefined {
  if (!pod.owner) return undefined;
  const { apiVersion, kind, name } = pod.owner;
  const [group] = apiVersion.split('/', 1);
  if (group === 'apps' && (kind === 'StatefulSet' || kind === 'DaemonSet')) return { kind, name };
  if (group === 'apps' && kind === 'ReplicaSet') return ofReplicaSet(name, pod.labels ?? {});
  if (group === 'batch' && kind === 'Job') return ofJob(name, now);
  return undefined;
}

function ofReplicaSet(name: string, labels: Readonly<Record<string, string>>): Workload {
  for (const [label, kind] of TEMPLATE_HASHES) {
    const end = `-${labels[label] ?? ''}`;
    if (end.length > 1 && name.endsWith(end) && name.length > end.length)
      return { kind, name: name.slice(0, -end.length) };
  }
  return { kind: 'ReplicaSet', name };
}

function ofJob(name: string, now: number): Workload {
  const [, cronJob, minutes] = SCHEDULED.exec(name) ?? [];
  const ago = now / MINUTE_MS - Number(minutes ?? NaN);
  const isRun = ago > -CLOCKS_APART_MINUTES && ago < LONGEST_RUN_MINUTES;
  return cronJob !== undefined && isRun ? { kind: 'CronJob', name: cronJob } : { kind: 'Job', name };
}
