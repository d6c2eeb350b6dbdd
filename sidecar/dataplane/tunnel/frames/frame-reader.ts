import { FRAME, HEADER_BYTES, MAX_CONTROL_PAYLOAD, MAX_PAYLOAD } from './protocol.ts';

/** What was read. DATA comes in pieces as they arrive, everything else whole. */
export interface FrameHandler {
  /** The header of a DATA frame: so many bytes of this stream follow. */
  dataBegins(stream: number, length: number): void;
  /** Bytes of the DATA frame begun last; a view of what was pushed, not a copy. */
  dataPiece(piece: Buffer): void;
  /** A frame that is not DATA. The payload is good until the call returns; that of a type that nobody here knows is left out. */
  frame(type: number, stream: number, payload: Buffer): void;
  /** The header of a frame of a type that nobody here knows: so many bytes follow, and then `frame`. */
  unknownBegins?(length: number): void;
}

/** The other side sent what no frame can be. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}

const NO_BYTES = Buffer.alloc(0);
const KNOWN: ReadonlySet<number> = new Set(Object.values(FRAME));

/** Cuts a stream of bytes into frames. Holds at most one control frame, and of DATA nothing at all. */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #type = 0;
  #stream = 0;
  /** Bytes of the payload that are still to come. */
  #left = 0;
  #control = NO_BYTES;
  #controlBytes = 0;
  #stopped = false;
  #paused = false;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** Reads nothing any more, the rest of what is being pushed included. */
  stop(): void {
    this.#stopped = true;
  }

  /** Reads no more of what is being pushed, after the frame that is being told. */
  pause(): void {
    this.#paused = true;
  }

  /**
   * @returns how much of the chunk was read: all of it, unless `pause` was called meanwhile. The rest is to be pushed later.
   * @throws ProtocolError; nothing may be pushed afterwards
   */
  push(chunk: Buffer): number {
    let at = 0;
    this.#paused = false;
    while (at < chunk.length && !this.#stopped && !this.#paused) {
      if (this.#left > 0) {
        const end = Math.min(chunk.length, at + this.#left);
        this.#take(chunk, at, end);
        at = end;
      } else if (this.#headerBytes === 0 && chunk.length - at >= HEADER_BYTES) {
        this.#begin(chunk, at);
        at += HEADER_BYTES;
      } else {
        const end = Math.min(chunk.length, at + HEADER_BYTES - this.#headerBytes);
        chunk.copy(this.#header, this.#headerBytes, at, end);
        this.#headerBytes += end - at;
        at = end;
        if (this.#headerBytes < HEADER_BYTES) return at;
        this.#headerBytes = 0;
        this.#begin(this.#header, 0);
      }
    }
    return this.#stopped ? chunk.length : at;
  }

  #begin(bytes: Buffer, at: number): void {
    const word = bytes.readUInt32BE(at);
    const length = word >>> 8;
    const type = word & 0xff;
    const stream = bytes.readUInt32BE(at + 4);
    this.#type = type;
    this.#stream = stream;
    this.#left = length;
    if (length > MAX_PAYLOAD) {
      throw new ProtocolError(`a frame of ${length} bytes; at most ${MAX_PAYLOAD} are allowed`);
    }
    if (type === FRAME.data) return this.#handler.dataBegins(stream, length);
    if (!KNOWN.has(type)) this.#handler.unknownBegins?.(length);
    else if (length > MAX_CONTROL_PAYLOAD) {
      throw new ProtocolError(
        `a control frame of ${length} bytes; at most ${MAX_CONTROL_PAYLOAD} are allowed`,
      );
    }
    if (length === 0) this.#handler.frame(type, stream, NO_BYTES);
  }

  #take(chunk: Buffer, from: number, to: number): void {
    this.#left -= to - from;
    if (this.#type === FRAME.data) return this.#handler.dataPiece(chunk.subarray(from, to));
    // Of frames that nobody here knows, the bytes are let go as they come.
    const known = KNOWN.has(this.#type);
    if (this.#left === 0 && this.#controlBytes === 0) {
      return this.#handler.frame(this.#type, this.#stream, known ? chunk.subarray(from, to) : NO_BYTES);
    }
    if (known) {
      if (this.#control.length === 0) this.#control = Buffer.alloc(MAX_CONTROL_PAYLOAD);
      chunk.copy(this.#control, this.#controlBytes, from, to);
      this.#controlBytes += to - from;
    }
    if (this.#left > 0) return;
    const payload = this.#control.subarray(0, this.#controlBytes);
    this.#controlBytes = 0;
    this.#handler.frame(this.#type, this.#stream, payload);
  }
}
