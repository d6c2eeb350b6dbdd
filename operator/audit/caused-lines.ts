import { TokenBuckets } from '#base/token-buckets.ts';

/** Who caused a line, and why. */
export interface Cause {
  /** The caller, or the address where nothing else is known of it. */
  readonly by: string;
  /** A code. */
  readonly reason: string;
}

/** What was left out. */
export interface LeftOut {
  readonly lines: number;
  readonly reasons: Readonly<Record<string, number>>;
}

/** So many callers are told apart; what is known of the one that was silent longest goes first. */
const MAX_CALLERS = 512;
const OF_ONE = { perSecond: 1, burst: 50, maxKeys: MAX_CALLERS };
const OF_ALL = { perSecond: 10, burst: 1_000, maxKeys: 1 };
const FIRST_MS = 60_000;

/**
 * How many lines those may cause who can do so by asking. Each has its own share, so that one who asks without end uses up his own;
 * all together have one, so that nobody fills the disk; and the first of each in a minute is written whatever others do, so that
 * many together hide nobody.
 */
export class CausedLines {
  readonly #one = new TokenBuckets(OF_ONE);
  readonly #all = new TokenBuckets(OF_ALL);
  /** When a line of each was written that others could not prevent, Unix time, milliseconds; in that order. */
  readonly #firsts = new Map<string, number>();
  #left = new Map<string, number>();

  /** @param now Unix time, milliseconds. @returns whether the line is written; else it is counted */
  take({ by, reason }: Cause, now: number): boolean {
    if (this.#isFirst(by, now)) return true;
    if (this.#one.take(by, now) === 0 && this.#all.take('', now) === 0) return true;
    this.#left.set(reason, (this.#left.get(reason) ?? 0) + 1);
    return false;
  }

  /** What was left out so far and has not been said. */
  get leftOut(): LeftOut | undefined {
    if (this.#left.size === 0) return undefined;
    const lines = [...this.#left.values()].reduce((sum, count) => sum + count, 0);
    return { lines, reasons: Object.fromEntries(this.#left) };
  }

  /** It was said. */
  said({ reasons }: LeftOut): void {
    const rest = [...this.#left].map(([reason, count]) => [reason, count - (reasons[reason] ?? 0)] as const);
    this.#left = new Map(rest.filter(([, count]) => count > 0));
  }

  #isFirst(by: string, now: number): boolean {
    for (const [caller, at] of this.#firsts) {
      if (at <= now && now - at < FIRST_MS) break;
      this.#firsts.delete(caller);
    }
    if (this.#firsts.has(by) || this.#firsts.size >= MAX_CALLERS) return false;
    this.#firsts.set(by, now);
    return true;
  }
}
