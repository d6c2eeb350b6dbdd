import type { Fault } from '#core/fault.ts';
import { faultsText } from '#core/fault.ts';
import type { AdmissionRequest, Verdict } from './admission.ts';
import type { ClusterView } from './cluster-view.ts';
import type { PodWriteReviewer } from './review-pod-write.ts';
import { isPodWrite, reviewPodWrite } from './review-pod-write.ts';
import { readObject } from './validation/object.ts';
import { isValidated, validate } from './validation/validate.ts';
import type { Validation } from './validation/validate.ts';

export interface ResourceReviewer extends PodWriteReviewer {
  readonly view: ClusterView;
  readonly meshNamespace: string;
  /**
   * What the certificate authority that a MeshConfig names says against it. Asked only when the MeshConfig is right in itself
   * and its spec has changed; answers in less time than the API server waits.
   */
  authorityFaults(spec: unknown, before: unknown): Promise<readonly Fault[]>;
}

/**
 * Answers the admission of an Intention, MeshService or MeshConfig, or of a pod as it will be stored: stored, or refused with everything
 * that is wrong.
 */
export async function reviewResource(
  request: AdmissionRequest,
  reviewer: ResourceReviewer,
): Promise<Verdict> {
  if (isPodWrite(request)) return reviewPodWrite(request, reviewer);
  const { resource, operation, subResource } = request;
  const written = operation === 'CREATE' || operation === 'UPDATE';
  if (!isValidated(resource) || !written || subResource) return { allowed: true };
  // Empty for what belongs to no namespace.
  const namespace = request.namespace || undefined;
  const object = readObject(request.object, namespace);
  const old = operation === 'UPDATE' ? readObject(request.oldObject, namespace) : undefined;
  if (!object || (operation === 'UPDATE' && !old)) {
    reviewer.metrics.validation(resource.resource, 'error');
    return {
      allowed: false,
      code: 400,
      reason: 'BadRequest',
      message: 'the request holds no object with a name',
    };
  }
  const { view, meshNamespace } = reviewer;
  const context = { view, meshNamespace, now: reviewer.now() };
  const outcome = await andAuthority(validate(resource.resource, object, old, context), () =>
    old && resource.resource === 'meshconfigs' ? reviewer.authorityFaults(object.spec, old.spec) : undefined,
  );
  if (outcome.allowed) {
    reviewer.metrics.validation(resource.resource, 'allowed');
    return { allowed: true, warnings: outcome.warnings };
  }
  reviewer.metrics.validation(resource.resource, 'refused');
  reviewer.log.info(
    { resource: resource.resource, namespace, name: object.metadata.name, text: outcome.refused },
    'resource refused',
  );
  return { allowed: false, code: 422, reason: 'Invalid', message: outcome.refused };
}

/** The last word on a MeshConfig that is right in itself is the authority's. */
async function andAuthority(
  outcome: Validation,
  ask: () => Promise<readonly Fault[]> | undefined,
): Promise<Validation> {
  const faults = outcome.allowed ? ((await ask()) ?? []) : [];
  if (faults.length === 0) return outcome;
  return { allowed: false, refused: faultsText('MeshConfig mesh is refused', faults) };
}
