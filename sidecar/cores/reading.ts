import { isRecord } from '#base/record.ts';

/** Small checks of values that come from another process. Each throws a TypeError where the value is something else. */

export function object(value: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new TypeError('no object');
  return value;
}

export function list<T>(value: unknown, read: (one: unknown) => T): readonly T[] {
  if (!Array.isArray(value)) throw new TypeError('no list');
  return value.map(read);
}

export function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('no text');
  return value;
}

export function texts(value: unknown): readonly string[] {
  return list(value, text);
}

/** A finite number. */
export function num(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new TypeError('no number');
  return value;
}

export function bool(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new TypeError('neither true nor false');
  return value;
}

export function oneOf<const T extends string>(values: readonly T[], value: unknown): T {
  const found = values.find((one) => one === value);
  if (found === undefined) throw new TypeError(`none of ${values.join(', ')}`);
  return found;
}

/** An object with this one text in it, or an empty one where there is none. */
export function optionalText<K extends string>(key: K, value: unknown): { readonly [P in K]?: string } {
  return (value === undefined ? {} : { [key]: text(value) }) as { readonly [P in K]?: string };
}

/** What `read` gives, or `instead` where a check of this file failed. */
export function readOr<T>(instead: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof TypeError) return instead;
    throw error;
  }
}
