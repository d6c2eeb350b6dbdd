import { refusalRow } from '#core/refusals.ts';
import type { RefusalReason, VerdictCode } from '#core/refusals.ts';

import { encodeFrame } from './frame.ts';

/** The server's answer to a stream header: raw bytes follow, or the end. */
export type Verdict =
  { readonly ok: true } | { readonly ok: false; readonly code: VerdictCode; readonly reason: string };

const MAX_REASON = 600;
const MAX_CODE = 64;

/** Whether a verdict can say it; a connection that is refused for anything else is reset without one. */
export function isVerdictCode(reason: RefusalReason): reason is VerdictCode {
  return refusalRow(reason).verdict === true;
}

export function encodeVerdict(verdict: Verdict): Buffer {
  return encodeFrame(verdict.ok ? verdict : { ...verdict, reason: printable(verdict.reason) });
}

/** A verdict as a peer sent it: a newer peer may know codes that we do not. */
export type ReceivedVerdict =
  { readonly ok: true } | { readonly ok: false; readonly code: string; readonly reason: string };

/** @returns undefined when it is not a verdict */
export function parseVerdict(message: unknown): ReceivedVerdict | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { ok, code, reason } = message as Readonly<Record<string, unknown>>;
  if (ok === true) return { ok };
  if (ok !== false || !isText(code, MAX_CODE) || !isText(reason, MAX_REASON)) return undefined;
  return { ok, code: clean(code), reason: clean(reason) };
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value.length <= maxLength;
}

/** Our own reason, cut so that it always fits into a frame. */
function printable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/["\\]/g, "'")
    .slice(0, MAX_REASON);
}

/** Text of a peer for our log lines: without control characters. */
function clean(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}
