import { createHash } from 'node:crypto';

/**
 * The form of the audit file: a JSON object a line, each with its number and the SHA-256 of the line before it. Whoever changes,
 * removes or inserts a line must write all that follow again, and whoever knows a later line's hash sees it. Pure.
 */

/** How far a chain has come. */
export interface ChainEnd {
  /** Number of the last line; 0 before the first. */
  readonly seq: number;
  /** SHA-256 of the last line without its newline, lower-case hex. */
  readonly hash: string;
}

/** What is said about one event. The first three keys of a line are the chain's. */
export type AuditEntry = Readonly<Record<string, unknown>> & { readonly event: string };

export const CHAIN_BEGIN: ChainEnd = { seq: 0, hash: '0'.repeat(64) };
/** In bytes. What is longer was not written by us. */
export const MAX_LINE = 64 * 1024;

const HASH = /^[0-9a-f]{64}$/;

/** The next line of a chain, newline included, and where the chain ends with it. */
export function nextLine(
  end: ChainEnd,
  time: string,
  entry: AuditEntry,
): { readonly text: string; readonly end: ChainEnd } {
  const seq = end.seq + 1;
  const line = JSON.stringify({ seq, prev: end.hash, time, ...entry });
  return { text: `${line}\n`, end: { seq, hash: hashOf(line) } };
}

/**
 * Takes one more line of a file.
 *
 * @param line without its newline
 * @returns where the chain ends now, or a sentence that says why the line does not belong there
 */
export function follow(end: ChainEnd, line: string): ChainEnd | string {
  const read = readLine(line);
  if (!read) return 'it is not a line of an audit file: JSON with seq and prev was expected';
  if (read.seq !== end.seq + 1) return `its number is ${read.seq}, and ${end.seq + 1} was expected`;
  if (read.prev !== end.hash)
    return end.seq === 0
      ? 'it is the first line, and names one before it'
      : `the line before it was changed: its SHA-256 is ${end.hash}, and was ${read.prev} when this one was written`;
  return { seq: read.seq, hash: hashOf(line) };
}

/** Where a chain ends whose last line this is; undefined when it is none. What is before it was not looked at. */
export function endAt(line: string): ChainEnd | undefined {
  const read = readLine(line);
  return read && { seq: read.seq, hash: hashOf(line) };
}

function readLine(line: string): { readonly seq: number; readonly prev: string } | undefined {
  try {
    const { seq, prev } = JSON.parse(line) as { seq?: unknown; prev?: unknown };
    return Number.isSafeInteger(seq) && typeof prev === 'string' && HASH.test(prev)
      ? { seq: seq as number, prev }
      : undefined;
  } catch {
    return undefined;
  }
}

function hashOf(line: string): string {
  return createHash('sha256').update(line, 'utf8').digest('hex');
}
