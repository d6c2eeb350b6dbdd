/** A connection whose ClientHello is there. */
interface Waiting {
  /** Unfinished connections of its network now; fewer come first. */
  readonly rank: () => number;
  readonly begin: () => void;
}

/**
 * Lets TLS handshakes begin, one in a turn of the event loop: each costs about a millisecond of signing and key agreement, and
 * requests on open connections must not wait for a crowd of them. Networks with fewer unfinished connections come first, and
 * among equals the newest: whoever waited for long has a client that gave up.
 */
export class HandshakeTurns {
  #waiting: Waiting[] = [];
  #isBusy = false;

  /** @param begin called at once, or in a later turn */
  add(rank: () => number, begin: () => void): void {
    this.#waiting.push({ rank, begin });
    if (!this.#isBusy) this.#next();
  }

  readonly #next = (): void => {
    this.#isBusy = this.#waiting.length > 0;
    if (!this.#isBusy) return;
    const ranks = this.#waiting.map(({ rank }) => rank());
    const best = ranks.lastIndexOf(ranks.reduce((least, rank) => Math.min(least, rank), Infinity));
    const [next] = this.#waiting.splice(best, 1);
    setImmediate(this.#next);
    next?.begin();
  };
}
