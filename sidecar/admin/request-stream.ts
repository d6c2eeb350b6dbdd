import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';

export interface WholeHead {
  /** The head of a request, whole. */
  readonly head: Buffer;
  /** What came behind it already. */
  readonly rest: Buffer;
  /** Of what comes behind the head, so much is passed on. */
  readonly maxBodyBytes: number;
}

/**
 * A connection as Node's HTTP server gets it: with one request in it, and so many bytes of a body. What else the client sends is
 * read and dropped, so that it can neither ask a second time nor make anybody hold it.
 */
export class RequestStream extends Duplex {
  readonly raw: Socket;
  #left: number;

  constructor(raw: Socket, { head, rest, maxBodyBytes }: WholeHead) {
    super({ allowHalfOpen: true });
    this.raw = raw;
    this.#left = maxBodyBytes;
    this.push(head);
    this.#pass(rest);
    raw.on('data', (chunk: Buffer) => this.#pass(chunk));
    raw.once('close', () => this.destroy());
    raw.resume();
  }

  override _read(): void {
    // What comes is pushed as it comes: it is little.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.raw.write(chunk, (error) => done(error ?? null));
  }

  override _final(done: () => void): void {
    this.raw.destroySoon();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.raw.destroy();
    done(error);
  }

  #pass(chunk: Buffer): void {
    const passed = chunk.subarray(0, this.#left);
    this.#left -= passed.length;
    if (passed.length > 0 && !this.destroyed) this.push(passed);
  }
}
