import type { Clock, Timer } from '#base/clock.ts';

import { TokenBuckets } from '#base/token-buckets.ts';
import type { Origin } from './connection-table.ts';

export interface HandshakeLimits {
  /** Handshakes of one network that have begun and are not finished. */
  readonly perNetwork: number;
  /** Handshakes of one network, for ever and after a rest, in which it comes before the unknown; beyond that it is one of them. */
  readonly knownPerSecond: number;
  readonly knownBurst: number;
  /** Handshakes with unknown networks, for ever and after a rest. */
  readonly unknownPerSecond: number;
  readonly unknownBurst: number;
}

/** An address may be a whole node's, all of whose pods begin at once. */
const HANDSHAKES: HandshakeLimits = {
  perNetwork: 8,
  knownPerSecond: 20,
  knownBurst: 200,
  unknownPerSecond: 100,
  unknownBurst: 100,
};

/** Known networks whose rate is remembered. */
const MAX_KNOWN = 4_096;

/** A connection whose ClientHello is there. */
interface Waiting {
  readonly origin: Origin;
  readonly isGone: () => boolean;
  readonly begin: () => void;
}

/** A handshake's end, to be told once it is finished or its connection is closed. Idempotent. */
export type HandshakeEnd = () => void;

/**
 * Lets TLS handshakes begin, one in a turn of the event loop: each costs about a millisecond of signing and key agreement, and
 * requests on open connections must not wait for a crowd of them. Networks for which the port is come first; others have so many a
 * second together, the newest first, since whoever waited for long has a client that gave up. No network has many at the same time.
 */
export class HandshakeTurns {
  readonly #clock: Clock;
  readonly #limits: HandshakeLimits;
  readonly #known: TokenBuckets;
  readonly #unknown: TokenBuckets;
  readonly #running = new Map<string, number>();
  #waiting: Waiting[] = [];
  #isTurnTaken = false;
  #later: Timer | undefined;

  constructor(clock: Clock, limits: HandshakeLimits = HANDSHAKES) {
    this.#clock = clock;
    this.#limits = limits;
    this.#known = new TokenBuckets({
      burst: limits.knownBurst,
      perSecond: limits.knownPerSecond,
      maxKeys: MAX_KNOWN,
    });
    this.#unknown = new TokenBuckets({
      burst: limits.unknownBurst,
      perSecond: limits.unknownPerSecond,
      maxKeys: 1,
    });
  }

  /**
   * Waits for a turn.
   *
   * @param isGone whether the connection was closed meanwhile
   * @param begin called in this turn or a later one
   */
  add(origin: Origin, isGone: () => boolean, begin: (end: HandshakeEnd) => void): void {
    const waiting = { origin, isGone, begin: () => begin(this.#started(origin.network)) };
    this.#waiting.push(waiting);
    if (!this.#isTurnTaken) this.#next();
  }

  readonly #next = (): void => {
    this.#isTurnTaken = false;
    this.#waiting = this.#waiting.filter(({ isGone }) => !isGone());
    const next = this.#choose();
    if (!next) return;
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    this.#isTurnTaken = true;
    setImmediate(this.#next);
    next.begin();
  };

  #choose(): Waiting | undefined {
    const ready = this.#waiting.filter(
      ({ origin }) => this.#runningOf(origin.network) < this.#limits.perNetwork,
    );
    const now = this.#clock.now();
    const known = ready.find(({ origin }) => origin.isKnown && this.#known.take(origin.network, now) === 0);
    if (known || ready.length === 0) return known;
    const waitMs = this.#unknown.take('', now);
    if (waitMs === 0) return ready.at(-1);
    this.#later ??= this.#clock.setTimeout(() => {
      this.#later = undefined;
      if (!this.#isTurnTaken) this.#next();
    }, waitMs);
    return undefined;
  }

  #runningOf(network: string): number {
    return this.#running.get(network) ?? 0;
  }

  #started(network: string): HandshakeEnd {
    this.#running.set(network, this.#runningOf(network) + 1);
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      const left = this.#runningOf(network) - 1;
      if (left > 0) this.#running.set(network, left);
      else this.#running.delete(network);
      if (!this.#isTurnTaken && this.#waiting.length > 0) this.#next();
    };
  }
}
