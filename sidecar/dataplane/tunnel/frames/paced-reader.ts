import type { FrameReader } from './frame-reader.ts';
import { ProtocolError } from './frame-reader.ts';
import type { Wire } from '../tls-wire.ts';

/**
 * What is read of a tunnel in one turn of the event loop before everybody else has theirs, in units of a byte. The kernel hands
 * out megabytes at once where a stream is fast, and requests of other streams would wait for all of them to be decrypted.
 */
const UNITS_PER_TURN = 262_144;
/** What a frame takes beyond its bytes. */
export const FRAME_UNITS = 512;
/** What a stream takes that is opened: rules are looked up, the application is dialed, or the refusal is written. */
export const OPEN_UNITS = 8_192;
/** The most that TLS has of what was not read when a turn is over. */
const MOST_BURST_BYTES = 65_536;

export interface PacedReaderOptions {
  readonly wire: Pick<Wire, 'pause' | 'resume'>;
  readonly reader: FrameReader;
  /** What arrived breaks the protocol; nothing more is read. */
  readonly onFault: (fault: ProtocolError) => void;
}

/** Hands what arrives to the reader of frames, so much in each turn of the event loop. */
export class PacedReader {
  readonly #options: PacedReaderOptions;
  #left = UNITS_PER_TURN;
  /** A turn was begun, and its end is awaited. */
  #inTurn = false;
  /** What arrived and is for later turns. */
  #waiting: Buffer[] = [];
  #burst = 0;
  #thisTurn = 0;
  #stopped = false;

  constructor(options: PacedReaderOptions) {
    this.#options = options;
  }

  /** Memory of what waits, and of what TLS keeps to read into: as much as ever came at once. */
  get waitingBytes(): number {
    let bytes = this.#burst;
    for (const { buffer } of this.#waiting) bytes += buffer.byteLength;
    return bytes;
  }

  /** What is being read takes so much more of this turn. */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left <= 0) this.#options.reader.pause();
  }

  push(chunk: Buffer): void {
    if (this.#stopped) return;
    if (!this.#inTurn) {
      this.#inTurn = true;
      setImmediate(this.#nextTurn);
    }
    this.#thisTurn += chunk.length;
    if (this.#thisTurn > this.#burst) this.#burst = Math.min(MOST_BURST_BYTES, this.#thisTurn);
    if (this.#waiting.length > 0) this.#waiting.push(chunk);
    else this.#read(chunk);
    if (this.#left <= 0) this.#options.wire.pause();
  }

  /** Nothing more arrives: all that waits is read now. */
  finish(): void {
    this.#left = Infinity;
    this.#readWaiting();
    this.stop();
  }

  /** Nothing is read any more. */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
  }

  #read(chunk: Buffer): void {
    try {
      const read = this.#options.reader.push(chunk);
      this.#left -= read;
      if (read < chunk.length && !this.#stopped) this.#waiting.unshift(chunk.subarray(read));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#options.onFault(error);
    }
  }

  #readWaiting(): void {
    while (this.#left > 0 && !this.#stopped) {
      const chunk = this.#waiting.shift();
      if (!chunk) return;
      this.#read(chunk);
    }
  }

  readonly #nextTurn = (): void => {
    this.#inTurn = false;
    this.#thisTurn = 0;
    if (this.#stopped) return;
    const wasHeld = this.#left <= 0;
    this.#left = UNITS_PER_TURN;
    if (!wasHeld) return;
    this.#inTurn = true;
    setImmediate(this.#nextTurn);
    this.#readWaiting();
    if (this.#left > 0 && !this.#stopped) this.#options.wire.resume();
  };
}
