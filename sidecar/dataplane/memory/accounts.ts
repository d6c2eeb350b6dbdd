import type { Clock } from '#base/clock.ts';

import { PeerAccount } from './peer-account.ts';

/** Accounts that are kept without a need, so that what a peer has spent stays spent when it comes again. */
const MOST_KEPT = 2_048;

/** The accounts of all peers that this process holds anything for, or held lately. */
export class PeerAccounts {
  readonly #clock: Clock;
  readonly #accounts = new Map<string, PeerAccount>();
  #pruneAt = MOST_KEPT;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#accounts.size;
  }

  [Symbol.iterator](): Iterator<PeerAccount> {
    return this.#accounts.values();
  }

  of(identity: string, address: string): PeerAccount {
    const key = `${identity} ${address}`;
    const known = this.#accounts.get(key);
    if (known) return known;
    if (this.#accounts.size >= this.#pruneAt) this.#prune();
    const made = new PeerAccount(identity, address, this.#clock);
    this.#accounts.set(key, made);
    return made;
  }

  /** Leaves out what says nothing; and, where that is not enough, the oldest that nothing is held for. */
  #prune(): void {
    for (const [key, account] of this.#accounts) if (account.isBlank) this.#accounts.delete(key);
    for (const [key, account] of this.#accounts) {
      if (this.#accounts.size < MOST_KEPT) break;
      if (account.isIdle) this.#accounts.delete(key);
    }
    this.#pruneAt = Math.max(MOST_KEPT, this.#accounts.size * 2);
  }
}
