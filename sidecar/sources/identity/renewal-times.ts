/** When to ask for the next certificate. Pure; times in milliseconds. */

/** Short lives leave little room for a second try, so they are renewed at the early end. */
const SHORT_LIFE_MS = 60_000;

/**
 * The moment to renew a leaf: between 60 and 90 % of the life it had left when we got it, spread by chance so that pods
 * started together do not ask together. Counted from when we got it and not from `notBefore`, which is set back against clock skew.
 *
 * @param random from 0 to 1
 */
export function renewAt(
  leaf: { readonly obtainedAt: number; readonly notAfter: number },
  random: number,
): number {
  const life = Math.max(0, leaf.notAfter - leaf.obtainedAt);
  const span = life < SHORT_LIFE_MS ? 0.1 : 0.3;
  return leaf.obtainedAt + life * (0.6 + span * random);
}

/** Where nobody trusts a leaf any more, waiting costs more than a crowd at the operator. */
const UNTRUSTED_WINDOW_MS = 1_000;

/**
 * Over how long sidecars spread their renewals when the active root changes: soon, but not all at once.
 *
 * @param isTrusted whether what signed our leaf is still among the roots
 */
export function rootChangeWindow(leafTtlMs: number, isTrusted: boolean): number {
  return Math.min(isTrusted ? 60_000 : UNTRUSTED_WINDOW_MS, leafTtlMs * 0.05);
}

export interface RetryInput {
  /** Failures in a row, from 1. */
  readonly failures: number;
  /** What is left of the leaf we hold; absent when we hold none. */
  readonly remainingMs?: number;
  readonly retryAfterMs?: number | undefined;
  /** From 0 to 1. */
  readonly random: number;
}

const FIRST_RETRY_MS = 250;
const SLOWEST_RETRY_MS = 15_000;
const LONGEST_RETRY_AFTER_MS = 120_000;
const QUICKEST_RETRY_MS = 100;

/**
 * How long to wait after a failed request: doubling with jitter, as the server asks if it does, and never so long that the
 * leaf we hold expires before a few more tries.
 */
export function retryDelay({ failures, remainingMs, retryAfterMs, random }: RetryInput): number {
  const ceiling = Math.min(SLOWEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
  const backOff = ceiling * (0.5 + 0.5 * random);
  const asked = Math.min(retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS) * (1 + 0.2 * random);
  const delay = Math.max(backOff, asked);
  // The last tenth of a short life is worth a quick try; a leaf that has ended is no reason to hurry beyond the back-off.
  if (remainingMs === undefined || remainingMs <= 0) return delay;
  return Math.max(QUICKEST_RETRY_MS, Math.min(delay, remainingMs / 5));
}
