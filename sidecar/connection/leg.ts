import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

import { putOnTop, resetSocket, wasReset } from './reset.ts';

/**
 * One of the two ends of a proxied connection: a duplex stream of the application's bytes, and a way to end it with a
 * reset. Whatever carries the bytes (TCP, TLS, one day a stream of a tunnel) is hidden behind it.
 */
export interface Leg {
  readonly stream: Duplex;
  /** Whether an end of data that was just read was in truth a reset. */
  wasReset(): boolean;
  /** Ends both directions at once and tells the other end with a reset. Idempotent. */
  reset(): void;
}

/** Seconds of silence after which the kernel asks whether the other end still lives. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/**
 * A leg over a TCP socket, or over TLS on top of one. From here on no error of either can crash the process: whoever reads
 * the leg hears of errors by its own listeners.
 *
 * @param raw the TCP socket; kept beside the TLS socket because only it can send a reset
 */
export function socketLeg(raw: Socket, tls?: TLSSocket): Leg {
  raw.on('error', ignore);
  tls?.on('error', ignore);
  if (tls) putOnTop(raw, tls);
  return { stream: tls ?? raw, wasReset: () => wasReset(raw), reset: () => resetSocket(raw) };
}

/** Settings of every TCP socket the sidecar holds: no waiting for more to send, and a question now and then to a silent peer. */
export function tuneSocket(raw: Socket): void {
  raw.setNoDelay(true);
  raw.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
}

function ignore(): void {
  // Told to those who wait for the leg; an error without a listener would end the process.
}
