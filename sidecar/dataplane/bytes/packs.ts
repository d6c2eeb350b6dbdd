/** From here on a chunk may be kept as it is: fewer objects are not worth a copy. */
export const LARGE_BYTES = 2_048;
const FIRST_BYTES = 256;
const MOST_BYTES = 16_384;
const NO_BYTES = Buffer.alloc(0);

/**
 * Whether a chunk may be kept as it is. Chunks are views of what arrived with them, such as one frame of several in a TLS record:
 * kept, a view keeps all of that memory, which is to be no more than twice what it shows.
 */
export function isCompact(chunk: Buffer): boolean {
  return chunk.length * 2 >= chunk.buffer.byteLength;
}

/** A copy in memory of its own, where `Buffer.from` would take a part of a shared piece and keep the whole of that. */
export function ownCopy(chunk: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(chunk.length);
  chunk.copy(copy);
  return copy;
}

/**
 * Bytes that have to wait. Small chunks, and those that are small parts of what they are views of, are copied together: kept as
 * it is, a single byte would hold all that came with it; and a million of them would be a million objects.
 */
export class Packs {
  #whole: Buffer[] = [];
  #last: Buffer = NO_BYTES;
  #used = 0;
  #bytes = 0;
  #memory = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Memory that is kept for these bytes. */
  get memory(): number {
    return this.#memory;
  }

  /** @param chunk is kept where it is large; it must not change */
  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (chunk.length >= LARGE_BYTES && isCompact(chunk)) {
      this.#close();
      this.#memory += chunk.buffer.byteLength;
      this.#whole.push(chunk);
      return;
    }
    for (let at = 0; at < chunk.length;) {
      if (this.#used === this.#last.length) this.#begin();
      const copied = chunk.copy(this.#last, this.#used, at);
      this.#used += copied;
      at += copied;
    }
  }

  /** Everything, in order; it stays here. */
  all(): readonly Buffer[] {
    return this.#used > 0 ? [...this.#whole, this.#last.subarray(0, this.#used)] : this.#whole;
  }

  /** Everything, in order; nothing is left. */
  take(): readonly Buffer[] {
    this.#close();
    const whole = this.#whole;
    this.#whole = [];
    this.#bytes = 0;
    this.#memory = 0;
    return whole;
  }

  /** Room that grows with what waits. */
  #begin(): void {
    const size = Math.min(MOST_BYTES, Math.max(FIRST_BYTES, this.#last.length * 2));
    this.#close();
    this.#last = Buffer.allocUnsafeSlow(size);
    this.#memory += size;
  }

  #close(): void {
    if (this.#used > 0) this.#whole.push(this.#last.subarray(0, this.#used));
    this.#last = NO_BYTES;
    this.#used = 0;
  }
}
