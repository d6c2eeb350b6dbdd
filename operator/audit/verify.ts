import { createReadStream } from 'node:fs';

import { CHAIN_BEGIN, MAX_LINE, follow } from './chain.ts';
import type { ChainEnd } from './chain.ts';

/** What was found in a file: where its chain ends, or the first line that is broken. */
export type Verdict =
  | { readonly ok: true; readonly end: ChainEnd }
  | { readonly ok: false; readonly line: number; readonly why: string };

const USAGE = 'usage: mesh-operator audit verify FILE...\n';
const NEWLINE = 0x0a;

/**
 * Follows the chain of an audit file from its first line. Holds one line at a time, however long the file.
 *
 * @throws Error when the file cannot be read
 */
export async function verifyFile(path: string): Promise<Verdict> {
  let end = CHAIN_BEGIN;
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE)) {
      const next = follow(end, bytes.subarray(0, at).toString('utf8'));
      if (typeof next === 'string') return { ok: false, line: end.seq + 1, why: next };
      end = next;
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
  return { ok: true, end };
}

/**
 * `mesh-operator audit verify FILE...`: says of each file whether its chain is whole, and which line is the first that is not.
 *
 * @param say takes what is printed
 * @returns the process's exit code: 0 when all are whole, 1 when one is not, 2 when the command was wrong
 */
export async function runAudit(args: readonly string[], say: (text: string) => void): Promise<number> {
  const [command, ...paths] = args;
  if (command !== 'verify' || paths.length === 0) {
    say(USAGE);
    return 2;
  }
  let code = 0;
  for (const path of paths) {
    const [text, ok] = await verdictOf(path);
    say(`${path}: ${text}\n`);
    if (!ok) code = 1;
  }
  return code;
}

async function verdictOf(path: string): Promise<readonly [string, boolean]> {
  try {
    const verdict = await verifyFile(path);
    if (!verdict.ok) return [`line ${verdict.line} is broken: ${verdict.why}`, false];
    const { seq, hash } = verdict.end;
    return [`${seq} lines, none changed, removed or inserted before the last; its SHA-256 is ${hash}`, true];
  } catch (error) {
    return [`cannot be read: ${(error as Error).message}`, false];
  }
}
