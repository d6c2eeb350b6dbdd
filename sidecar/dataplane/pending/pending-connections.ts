import type { Clock, Timer } from '#base/clock.ts';

import { BySize } from './by-size.ts';
import { NetworkCrowd } from './network-crowd.ts';
import type { Origin } from './origin.ts';

/** Which limit a connection fell to: the share of its own network, the number of all, or the bytes that all hold. */
export type PendingLimit = 'address' | 'total' | 'bytes';

export interface PendingOptions {
  readonly max: number;
  /** The share of one network, see `networkOf`. */
  readonly maxPerNetwork: number;
  /** What all of them may hold together. */
  readonly maxBytes?: number;
  /** How long a connection cannot be evicted, milliseconds; it has at least one turn of the event loop to be heard. */
  readonly graceMs?: number;
  /** The same where it is for one of a known address, and itself of none. Default: as long. */
  readonly graceForKnownMs?: number;
  /** Addresses whose connections are evicted for others only where there are no others. Default: none is. */
  readonly isKnown?: (address: string) => boolean;
  readonly clock: Clock;
}

/** What a connection occupies until it is admitted, ends, or is evicted. */
export interface Place {
  /** Why it was taken away; undefined while it was not. */
  readonly evicted: PendingLimit | undefined;
  /** Says how many bytes are held for the connection now. */
  hold(bytes: number): void;
  /** Idempotent. */
  release(): void;
}

interface Pending extends Place, Origin {
  readonly since: number;
  readonly turn: number;
  readonly evict: () => void;
  evicted: PendingLimit | undefined;
  bytes: number;
}

type Crowds = Pick<BySize<NetworkCrowd<Pending>>, 'largestFirst'>;

/** So many times `max` may be there for a turn of the event loop, while nobody had time to be heard. */
const BURST = 2;
const NO_GRACE_MS = 0;

/**
 * Connections that have not been admitted yet. There is always room for one more: where there are too many, the oldest of the
 * address that has most is evicted, of the network that has most. So a stranger who holds many loses its own, and whoever is quick is
 * never in the way.
 */
export class PendingConnections {
  readonly #options: PendingOptions;
  readonly #networks = new Map<string, NetworkCrowd<Pending>>();
  readonly #bySize = new BySize<NetworkCrowd<Pending>>();
  readonly #crowded = new Set<string>();
  #size = 0;
  #bytes = 0;
  #turn = 0;
  /** The turn in which the youngest came. */
  #youngest = 0;
  #nextTurn: NodeJS.Immediate | undefined;
  #later: Timer | undefined;

  constructor(options: PendingOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Gives a connection its place.
   *
   * @param evict closes it; called at most once, and never before this returns
   */
  add({ address, network }: Origin, evict: () => void): Place {
    const pending: Pending = {
      address,
      network,
      since: this.#options.clock.now(),
      turn: this.#turn,
      evict,
      evicted: undefined,
      bytes: 0,
      hold: (bytes) => this.#hold(pending, bytes),
      release: () => this.#remove(pending),
    };
    if (this.#size >= BURST * this.#options.max) this.#evictOne(this.#bySize, 'total', () => true);
    const crowd = this.#networks.get(network) ?? new NetworkCrowd();
    this.#networks.set(network, crowd);
    this.#bySize.change(crowd, () => crowd.add(pending));
    this.#size += 1;
    this.#youngest = this.#turn;
    if (crowd.size > this.#options.maxPerNetwork) this.#crowded.add(network);
    this.#nextTurn ??= setImmediate(this.#trim);
    return pending;
  }

  /** Whether a connection from there would find room, if need be that of another which had its time. */
  hasRoom({ address, network }: Origin): boolean {
    const { max, maxPerNetwork } = this.#options;
    const may = this.#isKnown(address) ? this.#hadTimeForKnown : this.#hadItsTime;
    const crowd = this.#networks.get(network);
    if (crowd && crowd.size >= maxPerNetwork) return this.#victim(only(crowd), may) !== undefined;
    return this.#size < max || this.#victim(this.#bySize, may) !== undefined;
  }

  #hold(pending: Pending, bytes: number): void {
    if (!this.#networks.get(pending.network)?.has(pending)) return;
    this.#bytes += bytes - pending.bytes;
    pending.bytes = bytes;
    while (this.#bytes > (this.#options.maxBytes ?? Infinity)) this.#evict(this.#heaviest(), 'bytes');
  }

  readonly #trim = (): void => {
    this.#nextTurn = undefined;
    this.#turn += 1;
    const { max, maxPerNetwork, clock } = this.#options;
    for (const network of this.#crowded) {
      const crowd = this.#networks.get(network);
      while (crowd && crowd.size > maxPerNetwork) if (!this.#evictOne(only(crowd), 'address')) break;
    }
    while (this.#size > max) if (!this.#evictOne(this.#bySize, 'total')) break;
    if (!this.#turnIsOver(this.#youngest)) this.#nextTurn ??= setImmediate(this.#trim);
    else if (this.#size > max || this.#crowded.size > 0)
      this.#later ??= clock.setTimeout(this.#trimLater, this.#graceForKnownMs);
  };

  readonly #trimLater = (): void => {
    this.#later = undefined;
    this.#nextTurn ??= setImmediate(this.#trim);
  };

  /** Evicts one of these, if possible one that had all its time. */
  #evictOne(crowds: Crowds, limit: PendingLimit, may?: (pending: Pending) => boolean): boolean {
    const victim =
      this.#victim(crowds, may ?? this.#hadItsTime) ?? this.#victim(crowds, this.#hadTimeForKnown);
    if (victim) this.#evict(victim, limit);
    return victim !== undefined;
  }

  /** The oldest connection of the address that has most in the network that has most; one of a known address where all are. */
  #victim(crowds: Crowds, may: (pending: Pending) => boolean): Pending | undefined {
    let known: Pending | undefined;
    for (const crowd of crowds.largestFirst()) {
      for (const oldest of crowd.oldest()) {
        // They came in order: where the oldest of an address may not be evicted, none of it may.
        if (!may(oldest)) continue;
        if (!this.#isKnown(oldest.address)) return oldest;
        known ??= oldest;
      }
    }
    return known;
  }

  readonly #hadItsTime = (pending: Pending): boolean =>
    this.#had(pending, this.#options.graceMs ?? NO_GRACE_MS);

  readonly #hadTimeForKnown = (pending: Pending): boolean =>
    this.#isKnown(pending.address) ? this.#hadItsTime(pending) : this.#had(pending, this.#graceForKnownMs);

  get #graceForKnownMs(): number {
    return this.#options.graceForKnownMs ?? this.#options.graceMs ?? NO_GRACE_MS;
  }

  #had({ turn, since }: Pending, graceMs: number): boolean {
    return (
      this.#turnIsOver(turn) && (graceMs === NO_GRACE_MS || this.#options.clock.now() - since >= graceMs)
    );
  }

  /** What the kernel had for a connection that came in this turn was read in the one after it. */
  #turnIsOver(turn: number): boolean {
    return turn + 1 < this.#turn;
  }

  #isKnown(address: string): boolean {
    return this.#options.isKnown?.(address) ?? false;
  }

  #evict(pending: Pending, limit: PendingLimit): void {
    pending.evicted = limit;
    this.#remove(pending);
    pending.evict();
  }

  #remove(pending: Pending): void {
    const crowd = this.#networks.get(pending.network);
    if (!crowd?.has(pending)) return;
    this.#bySize.change(crowd, () => crowd.delete(pending));
    this.#size -= 1;
    this.#bytes -= pending.bytes;
    if (crowd.size <= this.#options.maxPerNetwork) this.#crowded.delete(pending.network);
    if (crowd.size === 0) this.#networks.delete(pending.network);
    if (this.#size > 0) return;
    this.#later?.cancel();
    this.#later = undefined;
  }

  /** The one that holds most; of a known address only where no other holds anything. */
  #heaviest(): Pending {
    let stranger: Pending | undefined;
    let known: Pending | undefined;
    for (const crowd of this.#networks.values()) {
      for (const pending of crowd) {
        if (pending.bytes === 0) continue;
        if (this.#isKnown(pending.address)) known = heavier(known, pending);
        else stranger = heavier(stranger, pending);
      }
    }
    return (stranger ?? known)!;
  }
}

function heavier(one: Pending | undefined, other: Pending): Pending {
  return one && one.bytes >= other.bytes ? one : other;
}

function only(crowd: NetworkCrowd<Pending>): Crowds {
  return { largestFirst: () => [crowd] };
}
