import { FRAME, HEADER_BYTES, MAX_PAYLOAD } from './protocol.ts';
import type { Slab, SlabPool } from '../slab-pool.ts';

/**
 * Collects the frames of one turn of the event loop in one piece of memory, so that they leave in one write: many small
 * ones share a TLS record and a system call. Everything is copied, so callers may use their memory again.
 */
export class FrameWriter {
  readonly #pool: SlabPool;
  #slab: Slab | undefined;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  /** Bytes of the frames that were not taken yet. */
  get bytes(): number {
    return this.#slab?.used ?? 0;
  }

  /** Memory that they take. */
  get memory(): number {
    return this.#slab?.memory.length ?? 0;
  }

  /** Whether a frame with so long a payload still fits to what was collected; what was not must be taken first. */
  fits(length: number): boolean {
    return !this.#slab || this.#slab.used + HEADER_BYTES + length <= this.#slab.memory.length;
  }

  /** A frame with a short payload. */
  frame(type: number, stream: number, payload?: Buffer): void {
    const slab = this.#begin(type, stream, payload?.length ?? 0);
    if (payload) slab.used += payload.copy(slab.memory, slab.used);
  }

  /** A frame whose payload is one number of four bytes. */
  number(type: number, stream: number, value: number): void {
    const slab = this.#begin(type, stream, 4);
    slab.used = slab.memory.writeUInt32BE(value, slab.used);
  }

  /** Bytes of the application, from `from` to `to` of a chunk; at most {@link MAX_PAYLOAD}. */
  data(stream: number, chunk: Buffer, from: number, to: number): void {
    const slab = this.#begin(FRAME.data, stream, to - from);
    slab.used += chunk.copy(slab.memory, slab.used, from, to);
  }

  /** Everything collected since the last call; whoever has written it gives it back to the pool. */
  take(): Slab | undefined {
    const slab = this.#slab;
    this.#slab = undefined;
    return slab;
  }

  #begin(type: number, stream: number, length: number): Slab {
    if (length > MAX_PAYLOAD || !this.fits(length)) throw new RangeError(`no room for ${length} bytes`);
    const slab = (this.#slab ??= this.#pool.take(HEADER_BYTES + length));
    slab.memory.writeUInt32BE(length * 256 + type, slab.used);
    slab.memory.writeUInt32BE(stream, slab.used + 4);
    slab.used += HEADER_BYTES;
    return slab;
  }
}
