import type { Clock, Timer } from '#base/clock.ts';

import { StreamReset, codeOf, reasonOf } from '../refusals/reset-reason.ts';
import type { ResetReason } from '#core/refusals.ts';
import type { Outbox } from './outbox.ts';
import { decodeCloseReason, encodeCloseReason } from './frames/payloads.ts';
import { FRAME } from './frames/protocol.ts';
import type { SessionEnd, SessionOptions } from './session-options.ts';
import type { Wire } from './tls-wire.ts';

/** How long the side that opens streams may take to close a tunnel that the other side leaves. */
const LEAVE_MS = 5_000;

export interface SessionCloseDeps extends Pick<SessionOptions, 'role' | 'wire' | 'clock' | 'lingerMs'> {
  readonly outbox: Outbox;
  /** The side that opens streams has not closed in time the tunnel that this side leaves. */
  readonly onOverdue: (why: SessionEnd) => void;
}

/** How a tunnel comes to its end: which side takes no more streams, who closes the connection, and how long it may take. */
export class SessionClose {
  readonly #role: SessionOptions['role'];
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #lingerMs: number;
  readonly #outbox: Outbox;
  readonly #onOverdue: (why: SessionEnd) => void;
  #own: SessionEnd | undefined;
  #peer: SessionEnd | undefined;
  #timer: Timer | undefined;

  constructor({ role, wire, clock, lingerMs, outbox, onOverdue }: SessionCloseDeps) {
    this.#role = role;
    this.#wire = wire;
    this.#clock = clock;
    this.#lingerMs = lingerMs;
    this.#outbox = outbox;
    this.#onOverdue = onOverdue;
  }

  /** Why this side takes, or opens, no more streams; undefined while it does. */
  get own(): SessionEnd | undefined {
    return this.#own;
  }

  /** Why the peer takes, or opens, no more streams; undefined while it has not said that it does not. */
  get peer(): SessionEnd | undefined {
    return this.#peer;
  }

  /** Tells the peer why the tunnel ends, or takes no more streams. */
  say(why: ResetReason, text: string): void {
    this.#outbox.frame(FRAME.goAway, 0, encodeCloseReason({ code: codeOf(why), text }));
  }

  /** This side leaves, and says so. */
  leave(why: ResetReason, text: string): void {
    this.#own = { reason: why, text };
    this.say(why, text);
  }

  /**
   * The peer leaves.
   *
   * @returns why
   * @throws ProtocolError for a payload that is not a close reason
   */
  peerLeaves(payload: Buffer): SessionEnd {
    const { code, text } = decodeCloseReason(payload);
    return (this.#peer = { reason: reasonOf(code), text });
  }

  /**
   * To be asked whenever no stream is open. Who opens streams closes: only that side knows that none is on its way. The other
   * one waits for it a while.
   *
   * @returns why the connection is to be closed now; undefined where it is not
   */
  due(): SessionEnd | undefined {
    const why = this.#own ?? this.#peer;
    if (!why || this.#role === 'dialer' || this.#peer) return why;
    this.#timer ??= this.#clock.setTimeout(() => this.#onOverdue(why), LEAVE_MS);
    return undefined;
  }

  /** Sends what waits and ends the connection; resets it where the peer does not take that in time. */
  endWire(): void {
    this.#outbox.flush();
    this.#wire.end();
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimeout(() => this.#wire.reset(), this.#lingerMs);
  }

  /**
   * The connection is closed.
   *
   * @param idle whether no stream was open then
   * @returns why the tunnel has ended
   */
  wireClosed(idle: boolean): SessionEnd {
    if (this.#own && idle) return this.#own;
    const last = this.#peer ? `; it had said: ${this.#peer.text}` : '';
    return { reason: 'tunnel-lost', text: `the connection to the other sidecar was closed${last}` };
  }

  /** Waits for nothing more. */
  stop(): void {
    this.#timer?.cancel();
  }
}

/**
 * What the streams of a tunnel that is gone end with. Never the tunnel's own reason: of a stream, that would say that the peer
 * refused it, and that nothing of it reached an application.
 */
export function streamLoss({ text }: SessionEnd): StreamReset {
  return new StreamReset({ code: codeOf('tunnel-lost'), text });
}
