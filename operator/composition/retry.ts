import type { Clock } from '#base/clock.ts';
import { KubeConnectionError, KubeError } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * Does something at start that needs the API server, again and again while that is away or busy. What the API server refuses (403, 404)
 * is thrown at once: waiting does not help.
 *
 * @param what for the log, such as "read the MeshConfig"
 */
export async function untilAnswered<T>(
  what: string,
  work: () => Promise<T>,
  { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
): Promise<T> {
  for (let wait = FIRST_MS; ; wait = Math.min(wait * 2, LONGEST_MS)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (err) {
      if (!isTransient(err)) throw err;
      log.warn({ err, retryMs: wait }, `cannot ${what} yet`);
      await clock.sleep(wait, signal);
    }
  }
}

function isTransient(error: unknown): boolean {
  return (
    error instanceof KubeConnectionError ||
    (error instanceof KubeError && (error.status === 429 || error.status >= 500))
  );
}
