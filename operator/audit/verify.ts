import { createReadStream } from 'node:fs';
import { basename } from 'node:path';

import type { Anchor } from './anchor.ts';
import { CHAIN_BEGIN, MAX_LINE, follow } from './chain.ts';
import type { ChainEnd } from './chain.ts';

/** What was found in a file: where its chain ends, or the first line that is broken. */
export type AuditVerdict =
  | { readonly ok: true; readonly end: ChainEnd }
  | { readonly ok: false; readonly line: number; readonly why: string };

const NEWLINE = 0x0a;

/**
 * Follows the chain of an audit file from its first line. Holds one line at a time, however long the file.
 *
 * @param anchor what is known of it outside of it: then the file must have that line, with that hash
 * @throws Error when the file cannot be read
 */
export async function verifyFile(path: string, anchor?: Anchor): Promise<AuditVerdict> {
  let end = CHAIN_BEGIN;
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE)) {
      const next = follow(end, bytes.subarray(0, at).toString('utf8'));
      if (typeof next === 'string') return { ok: false, line: end.seq + 1, why: next };
      end = next;
      if (end.seq === anchor?.seq && end.hash !== anchor.hash)
        return { ok: false, line: end.seq, why: rewritten(anchor, end) };
      bytes = bytes.subarray(at + 1);
    }
    if (bytes.length > MAX_LINE)
      return { ok: false, line: end.seq + 1, why: `it has more than ${MAX_LINE} bytes` };
    rest = Buffer.from(bytes);
  }
  if (rest.length > 0)
    return {
      ok: false,
      line: end.seq + 1,
      why: 'it is torn: the process ended, or the disk was full, while it was written',
    };
  if (anchor && end.seq < anchor.seq) return { ok: false, line: end.seq + 1, why: cutOff(anchor) };
  return { ok: true, end };
}

/**
 * Why a file is not what its anchor says, looking no further than the anchor does; undefined when it is.
 *
 * @throws Error when the file cannot be read
 */
export async function anchorMismatch(path: string, anchor: Anchor): Promise<string | undefined> {
  if (anchor.file !== basename(path)) return `its anchor is that of ${JSON.stringify(anchor.file)}`;
  const verdict = await verifyFile(path, anchor);
  return verdict.ok || verdict.line > anchor.seq ? undefined : `line ${verdict.line}: ${verdict.why}`;
}

function cutOff({ seq, time }: Anchor): string {
  return `it is missing: the file had ${seq} lines at ${time}, by its anchor, and was cut off since`;
}

function rewritten({ hash, time }: Anchor, end: ChainEnd): string {
  return `its SHA-256 is ${end.hash}, and was ${hash} at ${time}, by its anchor: the file was written again since`;
}
