/** Pieces from here on are not those of requests and answers. */
const LARGE_BYTES = 16_384;
/** Large pieces of so many bytes per second are a bulk transfer. */
const HEAVY_BYTES_PER_SECOND = 33_554_432;
/** Looked at no more often than this. */
const SPAN_MS = 100;

/** Says whether a tunnel carries a bulk transfer, from the pieces that pass. */
export class BulkMeter {
  #bytes = 0;
  #since = 0;
  #heavy = false;

  /** A piece of application data of this many bytes went by. */
  moved(bytes: number): void {
    if (bytes >= LARGE_BYTES) this.#bytes += bytes;
  }

  /** @param now milliseconds */
  isHeavy(now: number): boolean {
    const span = now - this.#since;
    if (span < SPAN_MS) return this.#heavy;
    this.#heavy = (this.#bytes * 1000) / span >= HEAVY_BYTES_PER_SECOND;
    this.#bytes = 0;
    this.#since = now;
    return this.#heavy;
  }
}
