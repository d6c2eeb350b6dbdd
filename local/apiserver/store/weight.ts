const CHARACTER = 2;
const VALUE = 16;
const CONTAINER = 72;
const FIELD = 40;

/**
 * Estimates what a JSON value takes of the heap, in bytes, rather too high. Its text says little: `[{},{}]` takes twenty times its
 * length, a long string once or twice.
 */
export function weightOf(value: unknown): number {
  if (typeof value === 'string') return VALUE + CHARACTER * value.length;
  if (typeof value !== 'object' || value === null) return VALUE;
  let sum = CONTAINER;
  if (Array.isArray(value)) for (const item of value) sum += weightOf(item);
  else
    for (const [field, inner] of Object.entries(value))
      sum += FIELD + CHARACTER * field.length + weightOf(inner);
  return sum;
}
