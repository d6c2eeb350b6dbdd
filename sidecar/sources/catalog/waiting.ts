import type { Clock } from '#base/clock.ts';

/**
 * Waits for promises for a limited time. Many connections may wait in vain for one promise that stays open for hours; each is
 * forgotten when its time is over, which `Promise.race` alone would not do.
 */
export class Waiting {
  readonly #clock: Clock;
  readonly #waiters = new WeakMap<Promise<unknown>, Waiters>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether `promise` resolved within `ms` milliseconds. It must not reject. */
  async within(promise: Promise<unknown>, ms: number): Promise<boolean> {
    const waiters = this.#waitersOf(promise);
    if (waiters.done) return true;
    const resolved = new AbortController();
    const wake = (): void => resolved.abort();
    waiters.wake.add(wake);
    await this.#clock.sleep(ms, resolved.signal);
    waiters.wake.delete(wake);
    return resolved.signal.aborted;
  }

  #waitersOf(promise: Promise<unknown>): Waiters {
    const known = this.#waiters.get(promise);
    if (known) return known;
    const waiters: Waiters = { done: false, wake: new Set() };
    this.#waiters.set(promise, waiters);
    void promise.then(() => {
      waiters.done = true;
      for (const wake of waiters.wake) wake();
    });
    return waiters;
  }
}

interface Waiters {
  done: boolean;
  readonly wake: Set<() => void>;
}
