import { faultsText } from '#core/fault.ts';
import type { Logger } from '#base/log.ts';
import type { AdmissionRequest, ReviewVerdict } from './admission.ts';
import type { WebhookMetrics } from './metrics.ts';
import type { InjectionSettings } from './review-pod.ts';
import { podWriteFaults } from './validation/pod-write.ts';

export interface PodWriteReviewer {
  /** Unix time, milliseconds. */
  readonly now: () => number;
  readonly injection: () => InjectionSettings;
  readonly log: Logger;
  readonly metrics: WebhookMetrics;
}

/** Whether this asks about a pod, or a part of one that has its own path. */
export function isPodWrite({ kind, resource, operation }: AdmissionRequest): boolean {
  const isWritten = operation === 'CREATE' || operation === 'UPDATE';
  return isWritten && kind.group === '' && kind.kind === 'Pod' && resource.resource === 'pods';
}

/** What the name of a pod will begin with that has none yet. */
function generateName(object: unknown): string {
  const { metadata } = (object ?? {}) as { readonly metadata?: { readonly generateName?: unknown } | null };
  const begin = metadata?.generateName;
  return typeof begin === 'string' ? begin.slice(0, 253) : '';
}

/** Answers the admission of a pod as it will be stored: whether everything in it that only the mesh writes was written by the mesh. */
export function reviewPodWrite(
  request: AdmissionRequest,
  { now, injection, log, metrics }: PodWriteReviewer,
): ReviewVerdict {
  const { object, oldObject: old, name } = request;
  const namespace = request.namespace ?? '';
  const operation = request.operation === 'CREATE' ? 'CREATE' : 'UPDATE';
  const subResource = request.subResource ?? undefined;
  const faults = podWriteFaults(
    { operation, namespace, subResource, object, old },
    { ...injection(), now: now() },
  );
  if (faults.length === 0) {
    metrics.validation('pods', 'allowed');
    return { allowed: true };
  }
  metrics.validation('pods', 'refused');
  const message = faultsText(`pod ${namespace}/${name || generateName(object)} is refused`, faults);
  log.info({ resource: 'pods', namespace, name, text: message }, 'resource refused');
  return { allowed: false, code: 422, reason: 'Invalid', message };
}
