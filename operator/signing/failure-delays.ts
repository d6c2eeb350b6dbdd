export interface FailureDelayLimits {
  /** Failures in a row that cost nothing: a token may expire on its way, a pod be deleted. */
  readonly free: number;
  /** The first delay, milliseconds; each further failure doubles it. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** Networks that are remembered; the one whose last failure is longest ago is dropped first. */
  readonly maxKeys: number;
}

interface Failures {
  count: number;
  /** Unix time, milliseconds. */
  until: number;
}

/** Whoever fails again and again has to wait, longer each time; whoever succeeds starts again from nothing. In bounded memory. */
export class FailureDelays {
  readonly #limits: FailureDelayLimits;
  /** In order of the last failure. */
  readonly #failures = new Map<string, Failures>();

  constructor(limits: FailureDelayLimits) {
    this.#limits = limits;
  }

  /** @returns how long the next attempt has to wait, milliseconds; 0 when it may be made now */
  waitMs(key: string, now: number): number {
    return Math.max(0, (this.#failures.get(key)?.until ?? 0) - now);
  }

  failed(key: string, now: number): void {
    const { free, firstMs, longestMs, maxKeys } = this.#limits;
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const delay = count <= free ? 0 : Math.min(longestMs, firstMs * 2 ** Math.min(30, count - free - 1));
    this.#failures.delete(key);
    this.#failures.set(key, { count, until: now + delay });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > maxKeys && oldest !== undefined) this.#failures.delete(oldest);
  }

  succeeded(key: string): void {
    this.#failures.delete(key);
  }

  get size(): number {
    return this.#failures.size;
  }
}
