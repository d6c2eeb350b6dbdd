import type { RefusalReason } from './refusal.ts';

/** Why a stream ended before its time, as a number on the wire; never used for anything else once given out. */
const CODES = {
  denied: 1,
  'port-not-declared': 2,
  'app-unreachable': 3,
  draining: 4,
  'not-ready': 5,
  limit: 6,
  'untrusted-certificate': 7,
  'expired-certificate': 8,
  /** The application, or the connection to it, went away with a reset. */
  'app-reset': 9,
  /** Nothing moved for too long after one side had ended. */
  idle: 10,
  /** Who opened the stream wants it no longer. */
  cancelled: 11,
  /** The other side broke the protocol. */
  'protocol-error': 12,
  /** The tunnel itself went away. Never sent; how a stream's end is told to its owner. */
  'tunnel-lost': 13,
} as const;

/** Why a stream, or a tunnel, ended before its time. */
export type ResetReason = keyof typeof CODES;

const REASONS = new Map<number, ResetReason>(
  Object.entries(CODES).map(([reason, code]) => [code, reason as ResetReason]),
);

export function codeOf(reason: ResetReason): number {
  return CODES[reason];
}

/** @returns undefined for a code of a newer version */
export function reasonOf(code: number): ResetReason | undefined {
  return REASONS.get(code);
}

/** The wire's word for a refusal; refusals that peers need not tell apart are `app-reset`. */
export function resetReasonFor(reason: RefusalReason): ResetReason {
  return reason in CODES ? (reason as ResetReason) : 'app-reset';
}

/** A stream was ended by the other side, before its time. */
export class StreamReset extends Error {
  /** Undefined for a code of a newer version. */
  readonly reason: ResetReason | undefined;

  constructor({ code, text }: { readonly code: number; readonly text: string }) {
    super(text);
    this.name = 'StreamReset';
    this.reason = reasonOf(code);
  }
}
