import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

export interface RetryOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the waiting; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Whether waiting can help against an error. Any other is thrown at once. */
  readonly isTransient: (error: unknown) => boolean;
}

/**
 * Does something that a start needs, again and again while what it asks is away: after half a second, then after twice the time,
 * and at last every 15 seconds.
 *
 * @param waiting for the log, such as "the certificate authority waits for Vault"
 */
export async function retryUntil<T>(
  work: () => Promise<T>,
  waiting: string,
  { clock, log, signal, isTransient }: RetryOptions,
): Promise<T> {
  for (let wait = FIRST_MS; ; wait = Math.min(wait * 2, LONGEST_MS)) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (err) {
      if (!isTransient(err)) throw err;
      log.warn({ err, retryMs: wait }, waiting);
      await clock.sleep(wait, signal);
    }
  }
}
