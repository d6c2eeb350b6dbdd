import type { Socket } from 'node:net';

import type { Clock } from '#base/clock.ts';

export interface FirstBytesOptions<T> {
  /**
   * Says what a connection begins with.
   *
   * @param bytes all that came so far
   * @param from where what is new in them begins
   * @returns undefined while more must come
   */
  readonly recognise: (bytes: Buffer, from: number) => T | undefined;
  /** What is held at most. A connection that says more before it is taken over is `too-long`, or destroyed once it is recognised. */
  readonly maxBytes: number;
  /** Told whenever the memory that is held changes. */
  readonly onHeld: (bytes: number) => void;
  readonly clock: Clock;
}

/** Nothing came in time, or not enough; the peer is gone; more came than is held. */
export type NotRecognised = 'silent' | 'incomplete' | 'gone' | 'too-long';

const FIRST_BYTES = 512;
const NOTHING = Buffer.alloc(0);

/** Holds what a connection says at first, a bounded amount, until it is known what it is and somebody takes the connection over. */
export class FirstBytes<T> {
  readonly #socket: Socket;
  readonly #options: FirstBytesOptions<T>;
  #held: Buffer = NOTHING;
  #length = 0;
  #settle: ((what: T | NotRecognised) => void) | undefined;

  constructor(socket: Socket, options: FirstBytesOptions<T>) {
    this.#socket = socket;
    this.#options = options;
  }

  /** What was said so far. */
  get bytes(): Buffer {
    return this.#held.subarray(0, this.#length);
  }

  /** Reads until it is known what the connection is. @param timeoutMs how long that may take */
  recognised(timeoutMs: number): Promise<T | NotRecognised> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimeout(
        () => this.#settle?.(this.#length === 0 ? 'silent' : 'incomplete'),
        timeoutMs,
      );
      this.#settle = (what) => {
        timer.cancel();
        this.#settle = undefined;
        resolve(what);
      };
      socket.on('readable', this.#read);
      socket.on('end', this.#gone);
      socket.on('close', this.#gone);
    });
  }

  /** From now on the socket is somebody else's, as if nothing had been read. */
  giveBack(): void {
    const { bytes } = this;
    this.drop();
    if (bytes.length > 0) this.#socket.unshift(bytes);
  }

  /** Forgets what was read, and reads nothing more. */
  drop(): void {
    this.#socket.off('readable', this.#read);
    this.#socket.off('end', this.#gone);
    this.#socket.off('close', this.#gone);
    this.#held = NOTHING;
    this.#length = 0;
  }

  readonly #read = (): void => {
    const chunk = this.#socket.read() as Buffer | null;
    if (!chunk) return;
    const from = this.#length;
    if (from + chunk.length > this.#options.maxBytes) return this.#overflow();
    this.#append(chunk);
    const what = this.#settle && this.#options.recognise(this.bytes, from);
    if (what !== undefined) this.#settle?.(what);
  };

  /** What comes in small pieces is copied together: each piece by itself would take many times its size. */
  #append(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(this.#options.maxBytes, Math.max(length, FIRST_BYTES, this.#held.length * 2)),
      );
      this.#held.copy(larger, 0, 0, this.#length);
      this.#held = larger;
      this.#options.onHeld(larger.length);
    }
    chunk.copy(this.#held, this.#length);
    this.#length = length;
  }

  #overflow(): void {
    if (this.#settle) this.#settle('too-long');
    else this.#socket.destroy();
  }

  readonly #gone = (): void => {
    this.#settle?.('gone');
  };
}
