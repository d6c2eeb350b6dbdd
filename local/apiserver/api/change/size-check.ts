import type { ObjectStore } from '../../store/object-store.ts';
import type { ApiObject } from '../../store/object.ts';
import { weightOf } from '../../store/weight.ts';
import { MAX_OBJECT_BYTES, MAX_STORE_BYTES } from '../limits.ts';
import { ApiStatusError } from '../api-status-error.ts';

/**
 * Checks that an object is no larger than it may be, and that there is room for it beside all others. A change that makes an object smaller
 * is always taken, so that a full store can be emptied.
 *
 * @param before what it is now; undefined for a new one
 * @throws ApiStatusError 413, 507
 */
export function checkSize(
  object: ApiObject,
  before: ApiObject | undefined,
  store: Pick<ObjectStore, 'weight'>,
): void {
  const size = Buffer.byteLength(JSON.stringify(object));
  if (size > MAX_OBJECT_BYTES)
    throw new ApiStatusError(
      413,
      'RequestEntityTooLarge',
      `the object has ${size} bytes, with what is recorded of its managers; at most ${MAX_OBJECT_BYTES}`,
    );
  const growth = weightOf(object) - (before ? weightOf(before) : 0);
  if (growth > 0 && store.weight + growth > MAX_STORE_BYTES)
    throw new ApiStatusError(507, 'InsufficientStorage', 'there are too many objects; delete some');
}
