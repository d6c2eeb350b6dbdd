import type * as z from 'zod';

import type { Fault } from '../fault.ts';
import { oneOf, quoted } from '../fault.ts';

/** More than anybody reads at once. */
const MAX_FAULTS = 64;

/**
 * What a schema finds wrong with a value, in words for people.
 *
 * @param base the path of the value inside the object, such as `spec`
 */
export function schemaFaults(schema: z.ZodType, value: unknown, base: string): readonly Fault[] {
  const parsed = schema.safeParse(value);
  if (parsed.success) return [];
  return parsed.error.issues
    .slice(0, MAX_FAULTS)
    .flatMap((issue) => issueFaults(issue, value, base))
    .slice(0, MAX_FAULTS);
}

/** Where a value stands: `spec.ports[0].port`. */
function fieldPath(base: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${String(part)}`),
    base,
  );
}

function issueFaults(issue: z.core.$ZodIssue, root: unknown, base: string): Fault[] {
  const field = fieldPath(base, issue.path);
  const value = valueAt(root, issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: fieldPath(field, [key.slice(0, 80)]),
      message:
        'is not a field of this version; remove it, or look for its right spelling with kubectl explain',
    }));
  }
  if (value === undefined) return [{ field, message: 'is missing' }];
  return [{ field, message: sentence(issue, value) }];
}

function sentence(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_type') return `is ${typeName(value)}; write ${article(issue.expected)}`;
  if (issue.code === 'invalid_value')
    return `${quoted(value)} is not known; write ${oneOf(issue.values.map(String))}`;
  if (issue.code === 'too_big') return tooBig(issue);
  if (issue.code === 'too_small') {
    return issue.origin === 'string' ? 'is empty' : `is too small; the least is ${issue.minimum}`;
  }
  if (issue.code === 'invalid_format') return formatSentence(issue.format, value);
  return issue.message;
}

function tooBig({ origin, maximum }: { origin: string; maximum: number | bigint }): string {
  if (origin === 'string') return `is too long; at most ${maximum} characters`;
  if (origin === 'array') return `has too many entries; at most ${maximum}`;
  return `is too large; the most is ${maximum}`;
}

function formatSentence(format: string, value: unknown): string {
  if (format === 'datetime')
    return `${quoted(value)} is not a valid time in UTC; write such as "2026-12-01T00:00:00Z"`;
  return `${quoted(value)} has a character that is not allowed here`;
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : article(typeof value);
}

function article(type: string): string {
  const words: Readonly<Record<string, string>> = {
    object: 'an object',
    array: 'a list',
    int: 'a whole number',
    record: 'an object',
  };
  return words[type] ?? `a ${type}`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined,
    root,
  );
}
