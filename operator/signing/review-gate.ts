import type { Clock } from '#base/clock.ts';

import type { OperatorMetrics } from '../metrics/metrics.ts';
import { TokenBuckets } from '#base/token-buckets.ts';
import type { UncheckedClaims } from './token-claims.ts';

export interface ReviewGateLimits {
  /** TokenReviews of unexpected callers that wait for their answer at the same time. */
  readonly unexpectedAtOnce: number;
  readonly unexpectedBurst: number;
  readonly unexpectedPerSecond: number;
}

export interface ReviewGateDeps {
  readonly clock: Pick<Clock, 'now'>;
  readonly metrics: Pick<OperatorMetrics, 'tokenReviews'>;
  readonly limits: ReviewGateLimits;
  /** Whether a pod with these claims is known here, at this address: then a token of it is to be expected. */
  readonly isExpected: (claims: UncheckedClaims, sourceAddress: string) => boolean;
}

const RETRY_MS = 1_000;

/**
 * Which tokens the API server is asked about now. Those of pods that the operator knows, at their own addresses, always; all others
 * only so many at once and in a second, so that a flood of made-up tokens neither reaches the API server nor keeps it from
 * answering about real ones. It grants nothing.
 */
export class ReviewGate {
  readonly #deps: ReviewGateDeps;
  readonly #bucket: TokenBuckets;
  #waiting = 0;

  constructor(deps: ReviewGateDeps) {
    const { unexpectedBurst: burst, unexpectedPerSecond: perSecond } = deps.limits;
    this.#deps = deps;
    this.#bucket = new TokenBuckets({ burst, perSecond, maxKeys: 1 });
  }

  /**
   * Asks.
   *
   * @returns how long to wait, milliseconds, where it may not be asked now
   */
  async review<T>(
    claims: UncheckedClaims,
    sourceAddress: string,
    ask: () => Promise<T>,
  ): Promise<{ readonly result: T } | { readonly waitMs: number }> {
    const { clock, limits, metrics, isExpected } = this.#deps;
    if (isExpected(claims, sourceAddress)) {
      metrics.tokenReviews.inc({ caller: 'expected' });
      return { result: await ask() };
    }
    if (this.#waiting >= limits.unexpectedAtOnce) return { waitMs: RETRY_MS };
    const waitMs = this.#bucket.take('', clock.now());
    if (waitMs > 0) return { waitMs: Math.max(waitMs, RETRY_MS) };
    this.#waiting += 1;
    metrics.tokenReviews.inc({ caller: 'unexpected' });
    try {
      return { result: await ask() };
    } finally {
      this.#waiting -= 1;
    }
  }
}
