import { SIDECAR_CONTAINER } from '#core/constants.ts';
import type { Pod } from '#kube/types.ts';

import { claimOf } from '../../resources/member.ts';
import type { ContainerStatus } from '../../resources/pod.ts';
import { applicationContainers, isTerminal } from '../../resources/pod.ts';

/** A pod whose work is done and whose sidecar still runs. */
export interface FinishedWork {
  readonly namespace: string;
  /** The service the sidecar must prove to be before it is told anything. */
  readonly service: string;
  readonly ip: string;
}

/**
 * Whether this pod waits only for its sidecar to end. An ordinary sidecar (Kubernetes before 1.29) outlives the containers of a Job,
 * which then never completes. Under `OnFailure` a container that failed is started again, so only success counts. Pure.
 */
export function finishedWork(pod: Pod): FinishedWork | undefined {
  const { namespace = '' } = pod.metadata;
  const claim = claimOf(pod, { outside: false });
  if ('fault' in claim || claim.kind !== 'ordinary' || isTerminal(pod)) return undefined;
  const ip = pod.status?.podIP;
  if (!ip || !sidecarRuns(pod) || !applicationsAreDone(pod)) return undefined;
  return { namespace, service: claim.service, ip };
}

function applicationsAreDone(pod: Pod): boolean {
  const { restartPolicy, containers = [] } = pod.spec ?? {};
  if (restartPolicy !== 'Never' && restartPolicy !== 'OnFailure') return false;
  const statuses = applicationContainers(pod);
  const applications = containers.filter(({ name }) => name !== SIDECAR_CONTAINER).length;
  return (
    applications > 0 &&
    statuses.length >= applications &&
    statuses.every((status) => isDone(status, restartPolicy))
  );
}

function isDone({ state }: ContainerStatus, restartPolicy: 'Never' | 'OnFailure'): boolean {
  const exitCode = state?.terminated?.exitCode;
  return exitCode !== undefined && (restartPolicy === 'Never' || exitCode === 0);
}

function sidecarRuns(pod: Pod): boolean {
  const sidecar = pod.status?.containerStatuses?.find(({ name }) => name === SIDECAR_CONTAINER);
  return sidecar !== undefined && !sidecar.state?.terminated;
}
