import type { Clock, Timer } from '#base/clock.ts';

import type { AdmittedPeer } from '../peer/admit.ts';
import type { ConnectionRefusal } from '../refusals/refusal.ts';

/** A connection that was let through and carries bytes. */
export interface OpenConnection {
  /** Why it is allowed no longer; undefined while it is. Asked again and again: must be cheap, and must not throw. */
  review(now: number): ConnectionRefusal | undefined;
  /** Ends it with a reset on both sides. */
  cut(why: ConnectionRefusal): void;
  /** When its peer's certificate expires, Unix time, milliseconds; it is reviewed then. May move. */
  readonly expiresAt?: () => number;
  /** Who is on its other end; absent where nobody has proven that. */
  readonly peer?: AdmittedPeer | undefined;
}

/** Reviewing thousands of connections must not stop the bytes of those that stay: a pause after each so many. */
const CHUNK = 256;

/**
 * Every open connection of one direction. When anything that let them through changes, each is asked again whether it may
 * stay, and cut when not; so is each whose peer's certificate expires.
 */
export class ConnectionRegistry {
  readonly #clock: Clock;
  readonly #open = new Set<OpenConnection>();
  readonly #idle: (() => void)[] = [];
  #reviewing = false;
  #again = false;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The other ends of what is open; one that has several connections may come as often. */
  *peers(): Iterable<AdmittedPeer> {
    for (const { peer } of this.#open) if (peer) yield peer;
  }

  add(connection: OpenConnection): void {
    this.#open.add(connection);
    this.#expectExpiry(connection.expiresAt?.() ?? Infinity);
  }

  remove(connection: OpenConnection): void {
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Infinity;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Asks every connection again, soon and in pieces. Calls while that goes on lead to one more round. */
  review(): void {
    if (this.#reviewing) {
      this.#again = true;
      return;
    }
    this.#reviewing = true;
    this.#reviewFrom(this.#open.values());
  }

  /** Cuts everything that is open. */
  cutAll(why: ConnectionRefusal): void {
    for (const connection of [...this.#open]) connection.cut(why);
  }

  /** Resolves when nothing is open. */
  whenEmpty(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** A Set's iterator stays good while entries leave and come, so the pieces of a round need no copy. */
  #reviewFrom(connections: Iterator<OpenConnection>): void {
    const now = this.#clock.now();
    for (let count = 0; count < CHUNK; count++) {
      const next = connections.next();
      if (next.done) return this.#reviewed();
      const why = next.value.review(now);
      if (why) next.value.cut(why);
    }
    setImmediate(() => this.#reviewFrom(connections));
  }

  #reviewed(): void {
    this.#reviewing = false;
    if (!this.#again) return;
    this.#again = false;
    setImmediate(() => this.review());
  }

  #expectExpiry(at: number): void {
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.setTimeout(() => this.#expire(), Math.max(0, at - this.#clock.now()) + 1);
  }

  #expire(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = this.#clock.now();
    let next = Infinity;
    for (const connection of this.#open) {
      const at = connection.expiresAt?.() ?? Infinity;
      // Not over before it is past, and a timer may fire in the very millisecond before.
      if (at >= now && at < next) next = at;
    }
    if (next < Infinity) this.#expectExpiry(next);
    this.review();
  }
}
