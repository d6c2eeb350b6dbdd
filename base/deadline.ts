import type { Clock, Timer } from './clock.ts';

/** An abort signal that follows a caller's signal and may also end by time. Call `clear` when the work is over. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #parent: AbortSignal | undefined;
  readonly #follow = (): void => this.#controller.abort(this.#parent?.reason);
  #timer: Timer | undefined;

  // AbortSignal.any is not used: on Node 20 a long-lived parent keeps every signal made from it.
  constructor(clock: Clock, parent?: AbortSignal) {
    this.#clock = clock;
    this.#parent = parent;
    if (parent?.aborted) this.#follow();
    else parent?.addEventListener('abort', this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts with `reason()` after `ms` milliseconds; replaces the time set before. */
  within(ms: number, reason: () => Error): this {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimeout(() => this.#controller.abort(reason()), ms);
    return this;
  }

  /** Ends the work now. */
  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Lets go of timer and parent. */
  clear(): void {
    this.#timer?.cancel();
    this.#parent?.removeEventListener('abort', this.#follow);
  }
}
