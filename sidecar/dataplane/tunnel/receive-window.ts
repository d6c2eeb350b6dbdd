import type { WindowBudget } from '../memory/window-budget.ts';

/** The most a stream's window grows to: what a gigabyte per second needs over a millisecond. */
export const MAX_STREAM_WINDOW = 1_048_576;

/** What the windows of a session's streams share. */
export interface WindowShare {
  readonly budget: WindowBudget;
  /** Bytes that the windows of this session's streams may still grow by. */
  spare: number;
  /** So many bytes are no longer held for the peer. */
  released(bytes: number): void;
}

/**
 * What one stream may still send to us. Credit is given back as bytes are taken, at half a window; a window that is used up
 * by a reader that keeps up was too small, and doubles.
 */
export class ReceiveWindow {
  readonly #share: WindowShare;
  readonly #base: number;
  #size: number;
  /** Bytes that may come before the next credit. */
  #left: number;
  /** Bytes that came and for which no credit was given yet. */
  #owed = 0;
  #slow = false;

  constructor(base: number, share: WindowShare) {
    this.#base = base;
    this.#size = base;
    this.#left = base;
    this.#share = share;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns false when the peer sent more than it was given credit for */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    this.#owed += bytes;
    return this.#left >= 0;
  }

  /** The reader could not take what came: this window is large enough. */
  slow(): void {
    this.#slow = true;
  }

  /** @returns the credit to give now, 0 for none yet */
  credit(): number {
    if (this.#owed < this.#size / 2) return 0;
    let credit = this.#owed;
    this.#release();
    if (!this.#slow) credit += this.#grow();
    this.#slow = false;
    this.#left += credit;
    return credit;
  }

  /** The stream has ended. */
  close(): void {
    const grown = this.#size - this.#base;
    this.#size = this.#base;
    this.#share.spare += grown;
    this.#share.budget.give(grown);
    this.#release();
  }

  #release(): void {
    this.#share.released(this.#owed);
    this.#owed = 0;
  }

  #grow(): number {
    const more = this.#size;
    if (this.#size + more > MAX_STREAM_WINDOW || more > this.#share.spare) return 0;
    if (!this.#share.budget.take(more)) return 0;
    this.#share.spare -= more;
    this.#size += more;
    return more;
  }
}
