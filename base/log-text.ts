/** Longest text in a log line, and most elements of a list; what comes from others may be of any size. */
const MAX_TEXT = 4_096;
const MAX_ELEMENTS = 100;
const MAX_DEPTH = 8;

/** A text that fits into a log line. */
export function boundedText(text: string): string {
  if (text.length <= MAX_TEXT) return text;
  return `${text.slice(0, MAX_TEXT)}… (${text.length - MAX_TEXT} more characters)`;
}

/** Of a list, what fits into a log line. */
export function boundedList(list: readonly unknown[]): readonly unknown[] {
  if (list.length <= MAX_ELEMENTS) return list;
  return [...list.slice(0, MAX_ELEMENTS), `… (${list.length - MAX_ELEMENTS} more)`];
}

/** The fields of a log line, each of a size that fits into one. Errors are left to whoever writes them. */
export function boundedFields(fields: object): Record<string, unknown> {
  return bounded(fields, 0) as Record<string, unknown>;
}

function bounded(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return boundedText(value);
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (depth === MAX_DEPTH) return '…';
  if (Array.isArray(value)) return boundedList(value).map((one) => bounded(one, depth + 1));
  if ('toJSON' in value) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, bounded(one, depth + 1)]));
}

/**
 * Characters that JSON leaves as they are and that a terminal, or a reader's eye, takes for something else: C1 controls, line
 * separators, and those that turn the direction of text.
 */
const MISLEADING = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A line of JSON with its misleading characters escaped, which is the same JSON. */
export function printableLine(line: string): string {
  return line.replace(MISLEADING, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
