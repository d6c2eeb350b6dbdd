import { MAX_DEPTH } from './limits.ts';
import { badRequest } from './api-status-error.ts';

/**
 * Nothing that is kept is nested deeper; a field `__proto__` would be no field.
 *
 * @throws ApiStatusError 400
 */
export function checkShape(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > MAX_DEPTH) throw badRequest(`the body is nested deeper than ${MAX_DEPTH} levels`);
  if (Object.hasOwn(value, '__proto__')) throw badRequest('no field can be named __proto__');
  for (const inner of Object.values(value)) checkShape(inner, depth + 1);
}
