import type { Clock, Timer } from '#kube/clock.ts';

import type { Leg } from './leg.ts';
import { OneWay } from './one-way.ts';

/** How a spliced connection ended. */
export interface SpliceEnd {
  readonly how: 'finished' | 'reset' | 'cut' | 'idle';
  readonly bytesToServer: number;
  readonly bytesToClient: number;
}

export interface SpliceOptions {
  readonly client: Leg;
  readonly server: Leg;
  readonly clock: Clock;
  /** After one side has ended and nothing moved for this long (ms), both are reset. */
  readonly halfOpenIdleMs: number;
  /** Called exactly once, when both legs are closed and nothing of the splice is left behind. */
  readonly onEnd: (end: SpliceEnd) => void;
}

/** How long bytes that were read before a reset may take to be written on, and how often that is looked at. */
const FLUSH_MS = 1_000;
const FLUSH_STEP_MS = 5;

/**
 * Carries bytes between two legs, both ways, until both have ended: half-close and back-pressure of either side reach
 * the other, and a reset of one is passed on as a reset of the other, after the bytes that came before it.
 *
 * A TLS peer whose TCP connection ends without TLS's own farewell looks to Node like one that ended properly, so a cut-off
 * between two sidecars that sends a FIN is passed on as an end of data. Resets are not: sidecars use these to end a stream.
 */
export class Splice {
  readonly #options: SpliceOptions;
  readonly #toServer: OneWay;
  readonly #toClient: OneWay;
  readonly #listeners: (() => void)[] = [];
  #open = 2;
  #how: SpliceEnd['how'] = 'finished';
  #timer: Timer | undefined;

  constructor(options: SpliceOptions) {
    this.#options = options;
    const halfOpen = () => this.#watchHalfOpen();
    this.#toServer = new OneWay(options.client, options.server, halfOpen);
    this.#toClient = new OneWay(options.server, options.client, halfOpen);
  }

  /** Begins to carry bytes. A leg that is closed already ends the other. */
  start(): void {
    const { client, server } = this.#options;
    this.#follow(client, server, this.#toServer);
    this.#follow(server, client, this.#toClient);
    this.#toServer.start();
    this.#toClient.start();
  }

  /** Ends both legs at once with a reset. */
  cut(): void {
    if (this.#open === 0) return;
    this.#how = 'cut';
    this.#resetBoth();
  }

  /** `from` closed before it had said everything, or before it took everything: the other is reset too. */
  #follow(from: Leg, other: Leg, fromTheFirst: OneWay): void {
    let closed = false;
    const onClose = () => {
      if (closed) return;
      closed = true;
      this.#open -= 1;
      if (this.#open === 0) return this.#finish();
      if (fromTheFirst.ended && from.stream.writableFinished) return;
      this.#abort(other);
    };
    from.stream.on('close', onClose);
    this.#listeners.push(() => from.stream.off('close', onClose));
    if (from.stream.closed) setImmediate(onClose);
  }

  #abort(leg: Leg): void {
    if (this.#how === 'finished') this.#how = 'reset';
    this.#toServer.stop();
    this.#toClient.stop();
    this.#timer?.cancel();
    let left = FLUSH_MS / FLUSH_STEP_MS;
    const flush = () => {
      if (leg.stream.writableLength === 0 || leg.stream.destroyed || left-- <= 0) leg.reset();
      else this.#timer = this.#options.clock.setTimeout(flush, FLUSH_STEP_MS);
    };
    flush();
  }

  #watchHalfOpen(): void {
    if (this.#timer || (this.#toServer.ended && this.#toClient.ended)) return;
    let seen = this.#moved();
    const look = () => {
      if (seen === this.#moved()) {
        this.#how = 'idle';
        return this.#resetBoth();
      }
      seen = this.#moved();
      this.#timer = this.#options.clock.setTimeout(look, this.#options.halfOpenIdleMs);
    };
    this.#timer = this.#options.clock.setTimeout(look, this.#options.halfOpenIdleMs);
  }

  #moved(): number {
    return this.#toServer.bytes + this.#toClient.bytes;
  }

  #resetBoth(): void {
    this.#toServer.stop();
    this.#toClient.stop();
    this.#options.client.reset();
    this.#options.server.reset();
  }

  #finish(): void {
    this.#timer?.cancel();
    this.#toServer.stop();
    this.#toClient.stop();
    for (const remove of this.#listeners) remove();
    this.#options.onEnd({
      how: this.#how,
      bytesToServer: this.#toServer.bytes,
      bytesToClient: this.#toClient.bytes,
    });
  }
}
