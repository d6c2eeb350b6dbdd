import { isRecord } from '#base/record.ts';

/**
 * Whether everything in `wanted` is so in `actual`. Fields that only `actual` has do not matter: the API server fills in defaults
 * and book-keeping. Lists must agree item by item and in length.
 */
export function holds(actual: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(actual) &&
      actual.length === wanted.length &&
      wanted.every((item, index) => holds(actual[index], item))
    );
  }
  if (typeof wanted === 'object' && wanted !== null) {
    if (!isRecord(actual)) return false;
    return Object.entries(wanted).every(([key, value]) => value === undefined || holds(actual[key], value));
  }
  return actual === wanted;
}

/** Whether two JSON values are equal, whatever the order of their fields. */
export function same(a: unknown, b: unknown): boolean {
  return holds(a, b) && holds(b, a);
}
