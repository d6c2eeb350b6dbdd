import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import type { ResetReason } from '#core/refusals.ts';

import type { StreamReset } from '../refusals/reset-reason.ts';
import { LARGE_BYTES, isCompact } from './packs.ts';
import { SmallWrites } from './small-writes.ts';
import { LeanSocket } from './lean-socket.ts';
import { MEMORY_COSTS, tlsMemory } from '../memory/costs.ts';
import { putOnTop, resetSocket, wasReset } from './reset.ts';

/** How a leg ended: with everything said and everything taken, or before that. */
export type LegEnd = { readonly clean: true } | { readonly clean: false; readonly why?: StreamReset };

/** What a leg tells whoever carries its bytes. */
export interface LegEvents {
  /** Bytes arrived. After `pause` some more may come, a bounded amount. */
  onData(chunk: Buffer): void;
  /** The other end has said everything. */
  onEnd(): void;
  /** What was written when `write` said false has left. */
  onDrain(): void;
  /** Nothing comes or goes any more. The last call. */
  onClose(end: LegEnd): void;
}

/**
 * One of the two ends of a proxied connection: the application's bytes both ways, and a way to end it with a reset. Whatever
 * carries the bytes (TCP, TLS, a stream of a tunnel) is hidden behind it.
 */
export interface Leg {
  /** Whether the chunks it hands to `onData` are only good during the call. */
  readonly lends: boolean;
  /** Whether `write` is done with its chunk when it returns. */
  readonly copies: boolean;
  /** Bytes that were written and have not left. */
  readonly pendingBytes: number;
  /** Memory that it takes as long as it is open, whatever passes, bytes. */
  readonly fixedBytes: number;
  /** Memory of what was written and has not left, and of what was read and nobody has taken, bytes. */
  readonly waitingBytes: number;
  /** Begins to tell what arrives; a later call hands that over to somebody else. */
  carry(events: LegEvents): void;
  /** @returns false when it is full: `onDrain` follows. It is taken all the same. */
  write(chunk: Buffer): boolean;
  /** Nothing more will be written. */
  end(): void;
  pause(): void;
  resume(): void;
  /**
   * Ends both directions at once and tells the other end with a reset. Idempotent.
   *
   * @param reason told where the other end can be told
   * @param text a sentence for people
   */
  reset(reason?: ResetReason, text?: string): void;
}

/** Chunks from here on are mostly followed by more in the same turn of the event loop; these leave in one system call. */
const BULK_BYTES = 8_192;

/** Seconds of silence after which the kernel asks whether the other end still lives. */
const KEEP_ALIVE_DELAY_MS = 30_000;

/** A leg over a TCP socket, or over TLS on top of one. From here on no error of either can crash the process. */
export class SocketLeg implements Leg {
  /** The application's bytes. */
  readonly stream: Duplex;
  readonly lends: boolean;
  readonly copies = false;
  readonly fixedBytes: number;
  readonly #raw: Socket;
  readonly #small: SmallWrites;
  #events: LegEvents | undefined;
  #ended = false;
  #closed = false;
  #corked = false;
  /** Memory that the large chunks which wait are parts of, beyond themselves. */
  #around = 0;

  /** @param raw the TCP socket; kept beside the TLS socket because only it can send a reset */
  constructor(raw: Socket, tls?: TLSSocket) {
    this.stream = tls ?? raw;
    this.lends = !tls && raw instanceof LeanSocket;
    this.#raw = raw;
    this.fixedBytes = tls ? tlsMemory(raw) : MEMORY_COSTS.socket;
    this.#small = new SmallWrites(this.stream, () => this.#onDrain());
    raw.on('error', ignore);
    tls?.on('error', ignore);
    if (tls) putOnTop(raw, tls);
  }

  get pendingBytes(): number {
    return this.stream.destroyed ? 0 : this.stream.writableLength + this.#small.bytes;
  }

  get waitingBytes(): number {
    const { stream } = this;
    if (stream.destroyed) return 0;
    const { writableLength, readableLength } = stream;
    const written = writableLength + this.#small.memory + (writableLength > 0 ? this.#around : 0);
    // TLS keeps what it was given until what it made of it has left.
    return readableLength + (stream === this.#raw ? written : 2 * written);
  }

  carry(events: LegEvents): void {
    const first = !this.#events;
    this.#events = events;
    const { stream } = this;
    if (first) {
      if (stream instanceof LeanSocket) stream.onBytes = this.#onData;
      else stream.on('data', this.#onData);
      stream.on('end', this.#onEnd);
      stream.on('drain', this.#onDrain);
      stream.on('close', this.#onClose);
      // A peer that ended or closed without a word did so before anybody listened.
      if (stream.readableEnded) this.#onEnd();
      if (stream.closed) setImmediate(this.#onClose);
    }
    stream.resume();
  }

  write(chunk: Buffer): boolean {
    const { stream } = this;
    if (!stream.writable) return true;
    if (chunk.length < LARGE_BYTES || !isCompact(chunk)) return this.#small.write(chunk);
    this.#small.flush();
    if (stream.writableLength === 0) this.#around = 0;
    this.#around += chunk.buffer.byteLength - chunk.length;
    if (chunk.length >= BULK_BYTES && !this.#corked) {
      this.#corked = true;
      stream.cork();
      setImmediate(this.#uncork);
    }
    return stream.write(chunk);
  }

  end(): void {
    this.#small.flush();
    this.stream.end();
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  reset(): void {
    resetSocket(this.#raw);
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    this.stream.uncork();
  };

  readonly #onData = (chunk: Buffer): void => {
    this.#events?.onData(chunk);
  };

  /** An end that was a reset is made one: the leg closes without having ended. */
  readonly #onEnd = (): void => {
    if (wasReset(this.#raw)) return this.reset();
    this.#ended = true;
    this.#events?.onEnd();
  };

  readonly #onDrain = (): void => {
    this.#events?.onDrain();
  };

  readonly #onClose = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    const { stream } = this;
    if (stream instanceof LeanSocket) stream.onBytes = undefined;
    else stream.off('data', this.#onData);
    stream.off('end', this.#onEnd);
    stream.off('drain', this.#onDrain);
    stream.off('close', this.#onClose);
    this.#events?.onClose({ clean: this.#ended && stream.writableFinished });
  };
}

/** A leg over a TCP socket, or over TLS on top of one. */
export function socketLeg(raw: Socket, tls?: TLSSocket): SocketLeg {
  return new SocketLeg(raw, tls);
}

/**
 * Settings of every TCP socket the sidecar holds: no waiting for more to send, and a question now and then to a silent peer.
 *
 * @param near the other end is in this pod: it cannot vanish without the kernel telling, and asking costs four system calls
 */
export function tuneSocket(raw: Socket, near: boolean): void {
  raw.setNoDelay(true);
  if (!near) raw.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
}

function ignore(): void {
  // Told to those who wait for the leg; an error without a listener would end the process.
}
