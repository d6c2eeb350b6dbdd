export interface BucketLimits {
  /** How many at once after a rest. */
  readonly burst: number;
  /** How many per second for ever. */
  readonly perSecond: number;
  /** How many keys are remembered; the one unused longest is forgotten first. */
  readonly maxKeys: number;
}

interface Bucket {
  tokens: number;
  /** Unix time, milliseconds. */
  at: number;
}

/** Rate limits, one token bucket per key, in bounded memory. */
export class TokenBuckets {
  readonly #limits: BucketLimits;
  /** In order of last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(limits: BucketLimits) {
    this.#limits = limits;
  }

  /**
   * Takes one token.
   *
   * @param now Unix time, milliseconds
   * @returns 0 when there was one, else how many milliseconds until there is
   */
  take(key: string, now: number): number {
    const { burst, perSecond, maxKeys } = this.#limits;
    const known = this.#buckets.get(key);
    const elapsed = known ? Math.max(0, now - known.at) : 0;
    const tokens = known ? Math.min(burst, known.tokens + (elapsed * perSecond) / 1000) : burst;
    const taken = tokens >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: taken ? tokens - 1 : tokens, at: now });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > maxKeys && oldest !== undefined) this.#buckets.delete(oldest);
    return taken ? 0 : Math.ceil(((1 - tokens) * 1000) / perSecond);
  }

  get size(): number {
    return this.#buckets.size;
  }
}
