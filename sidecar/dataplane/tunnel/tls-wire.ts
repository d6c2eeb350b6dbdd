import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import { putOnTop, resetSocket } from '../bytes/reset.ts';

/** What a session hears of its connection. */
export interface WireEvents {
  onBytes(chunk: Buffer): void;
  /** Nothing comes any more; called once. */
  onClose(): void;
}

/** The bytes below a session: a TLS connection, or a stand-in for one. */
export interface Wire {
  /** Bytes that were written and have not left. */
  readonly backlog: number;
  /** Begins to hand over what arrives. Called once. */
  start(events: WireEvents): void;
  /** Hands over nothing until `resume`, but for what is handed over already. */
  pause(): void;
  resume(): void;
  /** @param onFlushed called when it has left, or never will: then with false, and the memory may still be in use */
  write(bytes: Buffer, onFlushed: (left: boolean) => void): void;
  /** Ends it in order (TLS close_notify) after what was written. */
  end(): void;
  /** Ends at once. Idempotent. */
  reset(): void;
}

/** A TLS connection. */
export class TlsWire implements Wire {
  readonly #raw: Socket;
  readonly #tls: TLSSocket;

  /** @param raw the TCP socket below; only it can send a reset */
  constructor(raw: Socket, tls: TLSSocket) {
    this.#raw = raw;
    this.#tls = tls;
    raw.on('error', ignore);
    tls.on('error', ignore);
    putOnTop(raw, tls);
  }

  get backlog(): number {
    return this.#tls.writableLength;
  }

  start(events: WireEvents): void {
    const tls = this.#tls;
    tls.on('data', (chunk: Buffer) => events.onBytes(chunk));
    // The other side wants no more: there is nothing that one side of a tunnel could still say alone.
    tls.on('end', () => tls.end());
    tls.once('close', () => events.onClose());
    if (tls.closed) setImmediate(() => events.onClose());
  }

  pause(): void {
    this.#tls.pause();
  }

  resume(): void {
    this.#tls.resume();
  }

  write(bytes: Buffer, onFlushed: (left: boolean) => void): void {
    if (!this.#tls.writable) return onFlushed(false);
    this.#tls.write(bytes, (error) => onFlushed(!error));
  }

  end(): void {
    this.#tls.end();
  }

  reset(): void {
    resetSocket(this.#raw);
  }
}

function ignore(): void {
  // The close that follows is what counts.
}
