import type { Clock, Timer } from '#base/clock.ts';
import type { ResetReason } from '#core/refusals.ts';

import { resetReasonFor } from '../refusals/reset-reason.ts';
import type { StreamReset } from '../refusals/reset-reason.ts';
import type { Leg, LegEnd } from './leg.ts';
import { OneWay } from './one-way.ts';
import type { ConnectionRefusal } from '../refusals/refusal.ts';

/** How a spliced connection ended. */
export interface SpliceEnd {
  readonly how: 'finished' | 'reset' | 'cut' | 'idle';
  readonly bytesToServer: number;
  readonly bytesToClient: number;
  /** What the other sidecar said about a reset. */
  readonly why?: StreamReset;
}

export interface SpliceOptions {
  readonly client: Leg;
  readonly server: Leg;
  readonly clock: Clock;
  /** After one side has ended and nothing moved for this long (ms), both are reset. */
  readonly halfOpenIdleMs: number;
  /** So many bytes came, from either. */
  readonly onArrived?: (bytes: number) => void;
  /** What the client said while the server was dialed, and the server's leg was told already. */
  readonly carried?: { readonly bytes: number; readonly ended: boolean };
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
 * A TLS peer whose TCP connection ends without a close_notify looks to Node like one that ended properly, so a cut-off
 * between two sidecars that sends a FIN is passed on as an end of data. Resets are not: sidecars use these to end a stream.
 */
export class Splice {
  readonly #options: SpliceOptions;
  readonly #toServer: OneWay;
  readonly #toClient: OneWay;
  #open = 2;
  #how: SpliceEnd['how'] = 'finished';
  #why: StreamReset | undefined;
  #timer: Timer | undefined;

  constructor(options: SpliceOptions) {
    this.#options = options;
    const { client, server, carried } = options;
    const onEnd = () => this.#watchHalfOpen();
    const onArrived = options.onArrived ?? (() => undefined);
    this.#toServer = new OneWay({
      from: client,
      to: server,
      onArrived,
      onEnd,
      onClose: (end) => this.#closed(end, server),
      otherWay: () => this.#toClient,
      ...(carried ? { carried } : {}),
    });
    this.#toClient = new OneWay({
      from: server,
      to: client,
      onArrived,
      onEnd,
      onClose: (end) => this.#closed(end, client),
      otherWay: () => this.#toServer,
    });
  }

  /** Begins to carry bytes. A leg that is closed already ends the other. */
  start(): void {
    if (this.#toServer.ended) this.#watchHalfOpen();
    this.#toServer.start();
    this.#toClient.start();
  }

  /** Ends both legs at once with a reset. */
  cut(why: ConnectionRefusal): void {
    if (this.#open === 0) return;
    this.#how = 'cut';
    this.#resetBoth(resetReasonFor(why.reason), why.message);
  }

  /** A leg that closed before it had said everything, or before it took everything, resets the other. */
  #closed(end: LegEnd, other: Leg): void {
    this.#open -= 1;
    if (!end.clean) this.#why ??= end.why;
    if (this.#open === 0) return this.#finish();
    if (!end.clean) this.#abort(other);
  }

  #abort(leg: Leg): void {
    if (this.#how === 'finished') this.#how = 'reset';
    this.#toServer.stop();
    this.#toClient.stop();
    this.#timer?.cancel();
    let left = FLUSH_MS / FLUSH_STEP_MS;
    const flush = () => {
      if (leg.pendingBytes === 0 || left-- <= 0) leg.reset('app-reset');
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
        return this.#resetBoth('idle');
      }
      seen = this.#moved();
      this.#timer = this.#options.clock.setTimeout(look, this.#options.halfOpenIdleMs);
    };
    this.#timer = this.#options.clock.setTimeout(look, this.#options.halfOpenIdleMs);
  }

  #moved(): number {
    return this.#toServer.bytes + this.#toClient.bytes;
  }

  #resetBoth(reason: ResetReason, text?: string): void {
    this.#toServer.stop();
    this.#toClient.stop();
    this.#options.client.reset(reason, text);
    this.#options.server.reset(reason, text);
  }

  #finish(): void {
    this.#timer?.cancel();
    this.#toServer.stop();
    this.#toClient.stop();
    this.#options.onEnd({
      how: this.#how,
      bytesToServer: this.#toServer.bytes,
      bytesToClient: this.#toClient.bytes,
      ...(this.#why ? { why: this.#why } : {}),
    });
  }
}
