import { isRecord } from '#base/record.ts';

type Json = Record<string, unknown>;

/**
 * Server-side apply, simplified: objects are merged, lists replaced whole, and what the same manager applied before and
 * leaves out now is removed.
 */
export function applyPatch(target: unknown, applied: unknown, before: unknown): unknown {
  if (!isRecord(applied)) return applied;
  const result: Json = isRecord(target) ? { ...target } : {};
  const earlier = isRecord(before) ? before : {};
  for (const key of Object.keys(earlier)) {
    if (!(key in applied)) delete result[key];
  }
  for (const [key, value] of Object.entries(applied))
    result[key] = applyPatch(result[key], value, earlier[key]);
  return result;
}
