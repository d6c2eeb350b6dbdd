import type { Clock } from '#base/clock.ts';

import type { OpenError } from '../transport/transport.ts';

/** Refusals that a peer is asked for at once, and how many more per second: below what its own patience with us is. */
const MOST = 500;
const PER_SECOND = 150;
/** A refusal is not repeated for longer than this, milliseconds. */
const REPEATED_MS = 1_000;
/** Ports whose last refusal is kept. */
const MOST_PORTS = 64;

/**
 * Keeps an application that tries again at once, again and again, from asking a peer that refuses it as often: what exceeds the
 * pace is answered with what the peer said last.
 */
export class RefusalPace {
  readonly #clock: Clock;
  readonly #last = new Map<number, { readonly error: OpenError; readonly at: number }>();
  #left = MOST;
  #at: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#at = clock.now();
  }

  /** @returns what to answer in place of the peer; undefined when it is to be asked */
  answer(port: number): OpenError | undefined {
    const last = this.#last.get(port);
    if (!last || this.#hasLeft()) return undefined;
    return this.#clock.now() - last.at < REPEATED_MS ? last.error : undefined;
  }

  /** The peer has refused a stream. */
  refused(port: number, error: OpenError): void {
    this.#left -= 1;
    if (this.#last.size >= MOST_PORTS) this.#last.clear();
    this.#last.set(port, { error, at: this.#clock.now() });
  }

  /** The peer has let a stream through. */
  accepted(port: number): void {
    if (this.#last.size > 0) this.#last.delete(port);
  }

  #hasLeft(): boolean {
    const now = this.#clock.now();
    this.#left = Math.min(MOST, this.#left + (Math.max(0, now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
    return this.#left >= 1;
  }
}
