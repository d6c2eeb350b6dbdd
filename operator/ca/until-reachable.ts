import type { Clock } from '#base/clock.ts';
import { KubeConnectionError, KubeError } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;

/**
 * Starts something that needs an authority over the network, again and again while that, or the API server, is away. What either
 * refuses is thrown at once: waiting does not help.
 *
 * @param who for the log, such as "Vault"
 */
export async function untilReachable<T>(
  who: string,
  work: () => Promise<T>,
  parts: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly signal?: AbortSignal | undefined;
    readonly isTransient: (error: unknown) => boolean;
  },
): Promise<T> {
  for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
    parts.signal?.throwIfAborted();
    try {
      return await work();
    } catch (err) {
      if (!parts.isTransient(err) && !isApiAway(err)) throw err;
      parts.log.warn({ err, retryMs: wait }, `the certificate authority waits for ${who}`);
      await parts.clock.sleep(wait, parts.signal);
    }
  }
}

function isApiAway(error: unknown): boolean {
  return (
    error instanceof KubeConnectionError ||
    (error instanceof KubeError && (error.status === 429 || error.status >= 500))
  );
}
