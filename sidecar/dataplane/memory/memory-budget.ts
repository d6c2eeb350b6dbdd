import type { Clock } from '#base/clock.ts';

import { PeerAccounts } from './accounts.ts';
import type { Holding, PeerAccount } from './peer-account.ts';
import { WindowBudget } from './window-budget.ts';

/** Of everything, what may be taken by things that exist, and by bytes that wait. */
const FIXED_SHARE = 15 / 16;
const WAITING_SHARE = 1 / 2;
/** Of what may exist, what one peer may have, and all peers of one identity: the pods of a service that has many. */
const PEER_SHARE = 1 / 2;
const IDENTITY_SHARE = 15 / 16;
/** Of everything, what windows may grow by. */
const GROWTH_SHARE = 1 / 4;
/** Of everything, what may arrive from one count to the next at least and at most. */
const LEAST_STRIDE = 1 / 32;
const MOST_STRIDE = 1 / 4;

/** Memory of one holding, bytes: what it takes, and what waited in it when that was last looked at. */
interface Count {
  fixed: number;
  waiting: number;
}

/** The peer itself, all of its identity, or all together. */
export type Obstacle = 'peer' | 'identity' | 'process';

/**
 * The memory of this process that peers can fill: connections, tunnels and streams that exist, and bytes that wait in them because
 * somebody does not read. What exists is admitted, or refused; what waits is counted, and where it is too much, what holds
 * most for the peer that holds most is ended.
 *
 * Bytes are not counted as they come and go, which would cost every one of them; the counts of all holdings are added up whenever so
 * much has arrived that it could matter, and no more can wait than waited then and has arrived since.
 */
export class MemoryBudget {
  readonly bytes: number;
  readonly growth: WindowBudget;
  readonly #accounts: PeerAccounts;
  readonly #counted = new Map<Holding, Count>();
  readonly #identities = new Map<string, number>();
  #fixed = 0;
  #waiting = 0;
  #arrived = 0;
  #stride: number;

  /** @param bytes for everything together */
  constructor(bytes: number, clock: Clock) {
    this.bytes = bytes;
    this.growth = new WindowBudget(bytes * GROWTH_SHARE, () => this.isTight);
    this.#accounts = new PeerAccounts(clock);
    this.#stride = bytes * MOST_STRIDE;
  }

  /** Memory of what exists, bytes. */
  get fixed(): number {
    return this.#fixed;
  }

  /** Memory of what waited when that was last counted, bytes. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether more than half of what may wait does. */
  get isTight(): boolean {
    return this.#waiting > this.#left;
  }

  /** @param identity SPIFFE ID; for what proves none, what kind of connection it is */
  account(identity: string, address: string): PeerAccount {
    return this.#accounts.of(identity, address);
  }

  /** All that anything is held for, or was lately. */
  accounts(): Iterable<PeerAccount> {
    return this.#accounts;
  }

  /** Who has so much that no more may exist for a peer; undefined where it may. Bytes that wait keep nobody out: they give way. */
  obstacle({ identity, fixed }: PeerAccount, bytes: number): Obstacle | undefined {
    const most = this.bytes * FIXED_SHARE;
    if (fixed + bytes > most * PEER_SHARE) return 'peer';
    if ((this.#identities.get(identity) ?? 0) + bytes > most * IDENTITY_SHARE) return 'identity';
    return this.#fixed + bytes > most ? 'process' : undefined;
  }

  /**
   * Takes memory for something that is about to exist.
   *
   * @returns gives it back, once; undefined where the peer may have no more
   */
  take(account: PeerAccount, bytes: number): (() => void) | undefined {
    if (this.obstacle(account, bytes)) return undefined;
    this.#addFixed(account, bytes);
    if (this.#left < 0) this.count();
    let given = false;
    return () => {
      if (!given) this.#addFixed(account, -bytes);
      given = true;
    };
  }

  /** Counts something from now on, whether or not it would be admitted. */
  add(holding: Holding): void {
    const { account, fixedBytes } = holding;
    this.#counted.set(holding, { fixed: fixedBytes, waiting: 0 });
    account.holdings.add(holding);
    this.#addFixed(account, fixedBytes);
    if (this.#left < 0) this.count();
  }

  /** It is about to end, and stands in the way of nothing else any more; what waits in it counts until it is removed. Idempotent. */
  leaves(holding: Holding): void {
    const count = this.#counted.get(holding);
    if (!count) return;
    this.#addFixed(holding.account, -count.fixed);
    count.fixed = 0;
  }

  /** It exists no longer. Idempotent. */
  remove(holding: Holding): void {
    this.leaves(holding);
    const count = this.#counted.get(holding);
    if (!count) return;
    this.#setWaiting(holding.account, count, 0);
    this.#counted.delete(holding);
    holding.account.holdings.delete(holding);
  }

  /** So many bytes were read, from whomever. */
  readonly arrived = (bytes: number): void => {
    this.#arrived += bytes;
    if (this.#arrived >= this.#stride) this.count();
  };

  /** Adds up what waits, and ends what is too much. */
  count(): void {
    this.#arrived = 0;
    for (const [holding, count] of this.#counted)
      this.#setWaiting(holding.account, count, holding.waitingBytes);
    if (this.#left < 0) this.#shed();
    const stride = Math.min(Math.max(this.#left / 2, this.bytes * LEAST_STRIDE), this.bytes * MOST_STRIDE);
    this.#stride = stride;
  }

  /** Bytes that may wait beyond those that do. */
  get #left(): number {
    return Math.min(this.bytes - this.#fixed, this.bytes * WAITING_SHARE) - this.#waiting;
  }

  /** Ends what holds most for whom most waits, until there is room to count less often. */
  #shed(): void {
    const room = this.bytes * LEAST_STRIDE;
    while (this.#left < room) {
      const [most, next] = this.#largest();
      if (!most || most.waiting === 0) return;
      const holdings = [...most.holdings].flatMap((holding) => {
        const count = this.#counted.get(holding);
        return count ? [{ holding, count, waiting: count.waiting }] : [];
      });
      for (const { holding, count } of holdings.sort((a, b) => b.waiting - a.waiting)) {
        if (this.#left >= room || most.waiting < (next?.waiting ?? 0) || most.waiting === 0) break;
        this.#setWaiting(most, count, 0);
        holding.shed();
      }
    }
  }

  /** The peers for whom most waits. */
  #largest(): readonly [PeerAccount?, PeerAccount?] {
    let most: PeerAccount | undefined;
    let next: PeerAccount | undefined;
    for (const account of this.#accounts) {
      if (!most || account.waiting > most.waiting) [most, next] = [account, most];
      else if (!next || account.waiting > next.waiting) next = account;
    }
    return most ? (next ? [most, next] : [most]) : [];
  }

  #setWaiting(account: PeerAccount, count: Count, bytes: number): void {
    const change = bytes - count.waiting;
    count.waiting = bytes;
    account.waiting += change;
    this.#waiting += change;
  }

  #addFixed(account: PeerAccount, bytes: number): void {
    const { identity } = account;
    account.fixed += bytes;
    this.#fixed += bytes;
    const left = (this.#identities.get(identity) ?? 0) + bytes;
    if (left > 0) this.#identities.set(identity, left);
    else this.#identities.delete(identity);
  }
}
