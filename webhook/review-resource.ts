import type { AdmissionRequest, ReviewVerdict } from './admission.ts';
import type { ClusterQuestion, LookUp } from './cluster-view.ts';
import type { PodWriteReviewer } from './review-pod-write.ts';
import { isPodWrite, reviewPodWrite } from './review-pod-write.ts';
import { readObject } from './validation/object.ts';
import type { UncheckedObject } from './validation/object.ts';
import { isValidated, validate } from './validation/validate.ts';

export interface ResourceReviewer extends PodWriteReviewer {
  readonly lookUp: LookUp;
  readonly meshNamespace: string;
}

/**
 * Answers the admission of an Intention, MeshService or MeshConfig, or of a pod as it will be stored: stored, or refused with everything that is wrong. Nothing
 * that the object names is contacted: whoever posts a review is not authenticated (docs/decisions/0022-entry-points.md).
 */
export async function reviewResource(
  request: AdmissionRequest,
  reviewer: ResourceReviewer,
): Promise<ReviewVerdict> {
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
  const view = await reviewer.lookUp(questionOf(resource.resource, object));
  const { meshNamespace } = reviewer;
  const outcome = validate(resource.resource, object, old, { view, meshNamespace, now: reviewer.now() });
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

/** What its checks look at besides the object itself. Nothing about `spec` is known yet. */
function questionOf(resource: string, { metadata, spec }: UncheckedObject): ClusterQuestion {
  const namespace = metadata.namespace ?? '';
  const { source, destination, serviceAccounts } = (spec ?? {}) as Readonly<Record<string, unknown>>;
  if (resource === 'intentions') {
    return { namespace, intention: spec, services: texts([nameIn(source), nameIn(destination)]) };
  }
  if (resource === 'meshservices') {
    const accounts = Array.isArray(serviceAccounts) ? texts(serviceAccounts) : [metadata.name];
    return { namespace, services: [metadata.name], serviceAccounts: accounts };
  }
  return { namespace };
}

function nameIn(end: unknown): unknown {
  return typeof end === 'object' && end !== null && 'service' in end ? end.service : undefined;
}

const MAX_NAMES = 64;
const MAX_NAME_LENGTH = 253;

function texts(values: readonly unknown[]): string[] {
  return values
    .slice(0, MAX_NAMES)
    .filter((value): value is string => typeof value === 'string' && value.length <= MAX_NAME_LENGTH);
}
