import type { Clock } from '#base/clock.ts';

import { FrameBudget } from './frame-budget.ts';

/** A connection, a tunnel or a stream: something that holds memory on behalf of a peer. */
export interface Holding {
  readonly account: PeerAccount;
  /** Memory that it takes as long as it exists, whatever it carries, bytes. Does not change. */
  readonly fixedBytes: number;
  /** Memory of what waits in it now, bytes. Cheap, and throws nothing. */
  readonly waitingBytes: number;
  /** Ends it at once: memory is short, and it holds more than others. */
  shed(): void;
}

/** What a process holds on behalf of one peer: an identity at an address. */
export class PeerAccount {
  /** SPIFFE ID; for what proves none, what kind of connection it is. */
  readonly identity: string;
  readonly address: string;
  /** What the peer may make this process do for nothing. */
  readonly frames: FrameBudget;
  /** What holds bytes for it. */
  readonly holdings = new Set<Holding>();
  /** Memory of what exists for it, whatever that carries, bytes. */
  fixed = 0;
  /** Memory of what waits for it, as it was counted last, bytes. */
  waiting = 0;

  constructor(identity: string, address: string, clock: Clock) {
    this.identity = identity;
    this.address = address;
    this.frames = new FrameBudget(clock);
  }

  /** Whether nothing exists for the peer. */
  get isIdle(): boolean {
    return this.fixed === 0 && this.holdings.size === 0;
  }

  /** Whether a new account would say the same. */
  get isBlank(): boolean {
    return this.isIdle && this.frames.isWhole;
  }
}
