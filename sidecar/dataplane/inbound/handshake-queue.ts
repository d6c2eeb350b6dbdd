import type { Clock, Timer } from '#base/clock.ts';

import type { Origin } from '../pending/origin.ts';

export interface HandshakeQueueDeps {
  readonly clock: Clock;
  /** Whether there is room for one more handshake from there. */
  readonly hasRoom: (origin: Origin) => boolean;
  /** Whether a peer at this address was let in within the last hour. */
  readonly isKnown: (address: string) => boolean;
}

/** So many recent handshakes of an address or a network put it one place behind. */
const STEP = 8;
/** In this time what was begun counts half, milliseconds. */
const HALF_LIFE_MS = 1_000;
/** Addresses and networks whose handshakes are counted. */
const MAX_COUNTED = 1_024;
/** Turns of the event loop in which only connections are accepted, where these come in every turn; Node accepts one in each. */
const ACCEPTING_TURNS = 8;
/** How long to wait where there is no room for anybody, milliseconds. */
const NO_ROOM_MS = 10;

/** A connection, as far as its end goes. */
export interface Closable {
  readonly destroyed: boolean;
  on(event: 'close', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

interface Waiting {
  readonly origin: Origin;
  readonly deadline: number;
  readonly begin: (begun: boolean) => void;
}

/**
 * Lets TLS handshakes begin, one in a turn of the event loop: each costs about a millisecond, which open connections must not
 * wait for many times over, and in fewer turns while connections are waiting to be accepted. Addresses whose peers were let in come
 * before strangers, those that began few handshakes before those that began many, a stranger counting for its network too; among
 * equals the one that came first.
 */
export class HandshakeQueue {
  readonly #deps: HandshakeQueueDeps;
  readonly #waiting = new Set<Waiting>();
  readonly #begun = new Map<string, { readonly count: number; readonly at: number }>();
  #arrivals = false;
  #held = 0;
  #tick: NodeJS.Immediate | undefined;
  #retry: Timer | undefined;

  constructor(deps: HandshakeQueueDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Waits for the turn of a connection from there.
   *
   * @param deadline until when it is of use, Unix time, milliseconds
   * @returns false where the connection was closed meanwhile, or its deadline has passed
   */
  turn(origin: Origin, socket: Closable, deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const waiting: Waiting = {
        origin,
        deadline,
        begin: (begun) => {
          this.#waiting.delete(waiting);
          socket.off('close', onClose);
          resolve(begun);
        },
      };
      const onClose = (): void => waiting.begin(false);
      if (socket.destroyed) return resolve(false);
      socket.on('close', onClose);
      this.#waiting.add(waiting);
      if (!this.#tick && !this.#retry) this.#next();
    });
  }

  /** A connection was accepted. */
  arrived(): void {
    this.#arrivals = true;
    this.#tick ??= setImmediate(this.#onTick);
  }

  #next(): void {
    const next = this.#choose();
    if (next) {
      this.#count(next.origin);
      this.#tick ??= setImmediate(this.#onTick);
      next.begin(true);
    } else if (this.#waiting.size > 0) this.#retry ??= this.#deps.clock.setTimeout(this.#again, NO_ROOM_MS);
  }

  /** The end of a turn of the event loop. */
  readonly #onTick = (): void => {
    this.#tick = undefined;
    const accepting = this.#arrivals;
    this.#arrivals = false;
    if (this.#waiting.size === 0 || this.#retry) return;
    if (accepting && (this.#held += 1) < ACCEPTING_TURNS) {
      this.#tick = setImmediate(this.#onTick);
      return;
    }
    this.#held = 0;
    this.#next();
  };

  readonly #again = (): void => {
    this.#retry = undefined;
    if (!this.#tick) this.#next();
  };

  #choose(): Waiting | undefined {
    let best: { readonly waiting: Waiting; readonly place: number } | undefined;
    const asked = new Set<string>();
    const now = this.#deps.clock.now();
    for (const waiting of this.#waiting) {
      const { origin } = waiting;
      if (waiting.deadline < now) {
        waiting.begin(false);
        continue;
      }
      if (asked.has(origin.address)) continue;
      asked.add(origin.address);
      const place = this.#place(origin, now);
      if (best && place >= best.place) continue;
      if (!this.#deps.hasRoom(origin)) continue;
      best = { waiting, place };
      if (place === 0) break;
    }
    return best?.waiting;
  }

  #place(origin: Origin, now: number): number {
    const isKnown = this.#deps.isKnown(origin.address);
    let place = isKnown ? 0 : 1;
    for (const counted of isKnown ? [origin.address] : countedOf(origin))
      place += Math.floor(this.#recent(counted, now) / STEP);
    return place;
  }

  /** Handshakes that an address or a network began, older ones counting less. */
  #recent(counted: string, now: number): number {
    const begun = this.#begun.get(counted);
    return begun ? begun.count * 0.5 ** ((now - begun.at) / HALF_LIFE_MS) : 0;
  }

  #count(origin: Origin): void {
    const at = this.#deps.clock.now();
    for (const counted of countedOf(origin)) {
      const count = this.#recent(counted, at) + 1;
      this.#begun.delete(counted);
      const [oldest] = this.#begun.keys();
      if (this.#begun.size >= MAX_COUNTED && oldest !== undefined) this.#begun.delete(oldest);
      this.#begun.set(counted, { count, at });
    }
  }
}

/** In IPv4 the two are one. */
function countedOf({ address, network }: Origin): ReadonlySet<string> {
  return new Set([address, network]);
}
