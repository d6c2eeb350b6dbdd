import type { Clock } from '#kube/clock.ts';

import { FrameBudget } from '../tunnel/frame-budget.ts';
import type { Holding } from './holding.ts';

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
