import type { Clock } from '#base/clock.ts';

/** What is borne at once, and how much more per second: four tunnels full of streams that are all opened and reset cost so much. */
const MOST = 8_192;
const PER_SECOND = 400;
/** So many bytes of the application earn a unit: less than the credit for them needs. */
const BYTES_PER_UNIT = 1_024;
/** What a stream that was let through earns: its OPEN, and what may cross its end on the way. */
const STREAM_UNITS = 4;

/** What frames cost, in units: one that makes work and brings none costs one. */
export const FRAME_COSTS = {
  /** A frame with bytes of the application. From four bytes on it earns what it costs; of single bytes, 138,000 a second cost no more than time brings. */
  data: 1 / 256,
  /** DATA of a stream that is over: some is always on its way when a stream ends. Its bytes cost in addition. */
  lateData: 1 / 8,
  frame: 1,
  /** Bytes that are read to be thrown away, one. */
  lostByte: 1 / 8_192,
} as const;

/**
 * Bounds what a peer can make us do for nothing: pings, streams that are opened and reset at once, credit that nobody needs,
 * empty data, data of streams that are over, frames of unknown types. Work earns units, and so does time. All tunnels of a peer
 * share one, and what was spent stays spent when it connects again.
 */
export class FrameBudget {
  readonly #clock: Clock;
  #left = MOST;
  #at: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#at = clock.now();
  }

  /** Whether nothing is spent: a new budget would be the same. */
  get isWhole(): boolean {
    this.#rest();
    return this.#left >= MOST;
  }

  /** Bytes of the application went either way. */
  earn(bytes: number): void {
    this.#left = Math.min(MOST, this.#left + bytes / BYTES_PER_UNIT);
  }

  /** A stream was let through. */
  accepted(): void {
    this.#left = Math.min(MOST, this.#left + STREAM_UNITS);
  }

  /** A frame that costs so many units. @returns false when there were too many */
  spend(units: number): boolean {
    this.#left -= units;
    if (this.#left < 0) this.#rest();
    return this.#left >= 0;
  }

  #rest(): void {
    const now = this.#clock.now();
    // A clock that was set back takes nothing away.
    this.#left = Math.min(MOST, this.#left + (Math.max(0, now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
  }
}
