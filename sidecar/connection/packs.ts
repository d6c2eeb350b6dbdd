/** From here on a chunk is kept as it is: what it may be a small part of is not many times its size. */
export const LARGE_BYTES = 2_048;
const FIRST_BYTES = 256;
const MOST_BYTES = 16_384;
const NO_BYTES = Buffer.alloc(0);

/**
 * Bytes that have to wait. Small chunks are copied together: a chunk is a view of what arrived with it, and kept as it is, a
 * single byte would hold all of that; and a million of them would be a million objects.
 */
export class Packs {
  #whole: Buffer[] = [];
  #last: Buffer = NO_BYTES;
  #used = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (chunk.length >= LARGE_BYTES) {
      this.#close();
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

  /** Everything, in order; nothing is left. */
  take(): readonly Buffer[] {
    this.#close();
    const whole = this.#whole;
    this.#whole = [];
    this.#bytes = 0;
    return whole;
  }

  /** Room that grows with what waits. */
  #begin(): void {
    const size = Math.min(MOST_BYTES, Math.max(FIRST_BYTES, this.#last.length * 2));
    this.#close();
    this.#last = Buffer.allocUnsafeSlow(size);
  }

  #close(): void {
    if (this.#used > 0) this.#whole.push(this.#last.subarray(0, this.#used));
    this.#last = NO_BYTES;
    this.#used = 0;
  }
}
