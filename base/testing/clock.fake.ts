import type { Clock, Timer } from '../clock.ts';
import { sleepOn } from '../clock.ts';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/**
 * A clock that stands still until told to move.
 *
 *     const clock = new FakeClock();
 *     clock.setTimeout(() => ..., 5_000);
 *     await clock.advance(5_000);   // fires, and lets promises that waited for it run
 */
export class FakeClock implements Clock {
  #now: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  /** @param start Unix time, milliseconds; default 2026-01-01T00:00:00Z */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  /** Timers that wait. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Milliseconds until the next timer; undefined when none waits. */
  get nextTimerIn(): number | undefined {
    const next = this.#next();
    return next && Math.max(0, next.at - this.#now);
  }

  now(): number {
    return this.#now;
  }

  setTimeout(fn: () => void, ms: number): Timer {
    const pending: Pending = { at: this.#now + Math.max(0, ms), order: this.#order++, fn };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn((fn, after) => this.setTimeout(fn, after), ms, signal);
  }

  /** Moves time by `ms`, firing timers in order of their time; after each, promises and immediates get to run. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(); next && next.at <= end; next = this.#next()) {
      this.#now = Math.max(this.#now, next.at);
      this.#pending.delete(next);
      next.fn();
      await settle();
    }
    this.#now = end;
    await settle();
  }

  /** Moves the wall clock without firing anything: as if the machine's time had been set. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #next(): Pending | undefined {
    let first: Pending | undefined;
    for (const pending of this.#pending) {
      if (!first || pending.at < first.at || (pending.at === first.at && pending.order < first.order))
        first = pending;
    }
    return first;
  }
}

/** Lets promises and immediates that are ready run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
