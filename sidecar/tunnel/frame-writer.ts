import { FRAME, HEADER_BYTES, MAX_PAYLOAD } from './protocol.ts';

/** Payloads up to here are copied into one buffer with what stands around them; longer ones are written as they are. */
const COPY_UP_TO = 8_192;
const SLAB_BYTES = 65_536;

/**
 * Collects the frames of one turn of the event loop, so that they leave in one write: many small ones share a TLS record
 * and a system call.
 */
export class FrameWriter {
  #slab = Buffer.alloc(0);
  /** The part of the slab that holds frames not taken yet: from here ... */
  #from = 0;
  /** ... to here. */
  #to = 0;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** Bytes of the frames that were not taken yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A frame with a short payload, copied. */
  frame(type: number, stream: number, payload?: Buffer): void {
    const length = payload?.length ?? 0;
    this.#header(type, stream, length);
    if (payload) this.#to += payload.copy(this.#slab, this.#to);
    this.#bytes += length;
  }

  /** A frame whose payload is one number of four bytes. */
  number(type: number, stream: number, value: number): void {
    this.#header(type, stream, 4);
    this.#to = this.#slab.writeUInt32BE(value, this.#to);
    this.#bytes += 4;
  }

  /** Bytes of the application, from `from` to `to` of a chunk that nobody changes any more; at most {@link MAX_PAYLOAD}. */
  data(stream: number, chunk: Buffer, from: number, to: number): void {
    const length = to - from;
    if (length > MAX_PAYLOAD) throw new RangeError(`a payload of ${length} bytes`);
    this.#header(FRAME.data, stream, length);
    this.#bytes += length;
    if (length <= COPY_UP_TO) {
      this.#to += chunk.copy(this.#slab, this.#to, from, to);
      return;
    }
    this.#cut();
    this.#parts.push(length === chunk.length ? chunk : chunk.subarray(from, to));
  }

  /** Everything collected since the last call, in order. */
  take(): readonly Buffer[] {
    this.#cut();
    const parts = this.#parts;
    this.#parts = [];
    this.#bytes = 0;
    return parts;
  }

  /** Room for the header and the longest payload that is copied. What is written stays as it is for those who hold it. */
  #header(type: number, stream: number, length: number): void {
    if (this.#slab.length - this.#to < HEADER_BYTES + COPY_UP_TO) {
      this.#cut();
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#from = 0;
      this.#to = 0;
    }
    this.#slab.writeUInt32BE(length * 256 + type, this.#to);
    this.#slab.writeUInt32BE(stream, this.#to + 4);
    this.#to += HEADER_BYTES;
    this.#bytes += HEADER_BYTES;
  }

  #cut(): void {
    if (this.#to > this.#from) this.#parts.push(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
