/** Waiting times after failures: exponential with full jitter, so that many that failed together do not return together. */
export interface BackoffOptions {
  /** The longest first wait, in milliseconds. */
  readonly baseMs: number;
  /** The longest wait ever, in milliseconds. */
  readonly capMs: number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #attempts = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  /** Failures since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /**
   * How long to wait now, in milliseconds; each call counts as one failure.
   *
   * @param atLeastMs what the server asked for (Retry-After); up to half of it is added as jitter
   */
  next(atLeastMs = 0): number {
    const ceiling = Math.min(this.#options.capMs, this.#options.baseMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts++;
    const jittered = this.#random() * ceiling;
    return atLeastMs > 0 ? Math.max(jittered, atLeastMs * (1 + this.#random() / 2)) : jittered;
  }

  reset(): void {
    this.#attempts = 0;
  }
}
