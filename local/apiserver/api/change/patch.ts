import { isRecord } from '#base/record.ts';
import { mergePatch } from '#kube/merge-patch.ts';

import type { ApiObject, Json } from '../../store/object.ts';
import type { ResourceKind } from '../kind.ts';
import { ApiStatusError, badRequest } from '../api-status-error.ts';
import { checkShape } from '../shape-check.ts';
import { PatchFault, jsonPatch } from './json-patch.ts';
import { strategicMerge } from './strategic-merge.ts';

export const APPLY_PATCH = 'application/apply-patch+yaml';
const MERGE_PATCH = 'application/merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';

/** The forms of patch a kind takes. */
export function patchTypes(kind: ResourceKind): readonly string[] {
  return [JSON_PATCH, MERGE_PATCH, ...(kind.schema ? [] : [STRATEGIC]), APPLY_PATCH];
}

/**
 * The object after a patch that is not an apply.
 *
 * @throws ApiStatusError 415 for a form the kind does not take, 400 and 422 for a patch that cannot be read or does not fit
 */
export function patched(kind: ResourceKind, live: ApiObject, contentType: string, patch: unknown): Json {
  const types = patchTypes(kind);
  if (!types.includes(contentType)) {
    const message = `the body of the request was in an unknown format - accepted media types include: ${types.join(', ')}`;
    throw new ApiStatusError(415, 'UnsupportedMediaType', message);
  }
  if (contentType === JSON_PATCH) return jsonPatched(kind, live, patch);
  if (!isRecord(patch)) throw badRequest('the patch is not an object');
  return (contentType === STRATEGIC ? strategicMerge(live, patch) : mergePatch(live, patch)) as Json;
}

/** RFC 6902. */
function jsonPatched(kind: ResourceKind, live: ApiObject, patch: unknown): Json {
  if (!Array.isArray(patch) || !patch.every(isRecord))
    throw badRequest('a JSON patch is a list of operations');
  try {
    const after = jsonPatch(live, patch);
    // Operations can nest it deeper than they are nested themselves.
    checkShape(after);
    if (isRecord(after)) return after;
  } catch (error) {
    if (!(error instanceof PatchFault)) throw error;
    const { name } = live.metadata;
    const message = `the server rejected our request due to an error in our request: ${error.message}`;
    throw new ApiStatusError(422, 'Invalid', message, { name, kind: kind.plural });
  }
  throw badRequest('what the patch leaves is not a valid object');
}
