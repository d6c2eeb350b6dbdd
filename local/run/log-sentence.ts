import { isRecord } from '#base/record.ts';

const FIELDS = ['source', 'destination', 'upstream', 'reason', 'detail', 'decision', 'error'];

/**
 * A line of the sidecar's log as a sentence for whoever runs a process beside it.
 *
 * @returns undefined for what is no trouble of theirs
 */
export function logSentence(line: string): string | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isRecord(entry) || (entry.level !== 'warn' && entry.level !== 'error')) return undefined;
  const found = entry;
  const err = isRecord(found.err) ? [`${String(found.err.message)}`] : [];
  const details = FIELDS.flatMap((field) =>
    typeof found[field] === 'string' ? [`${field} ${found[field]}`] : [],
  );
  return [String(found.msg), ...details, ...err].join('; ');
}
