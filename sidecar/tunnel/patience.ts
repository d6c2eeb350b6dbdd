/** Frames without work that are taken at once, and how many more per second. */
const MOST = 4_096;
const REST = 1_000;
/** So many bytes of the application earn one frame: less than the credit for them needs. */
const BYTES_PER_FRAME = 1_024;

/**
 * Bounds what a peer can make us do for nothing: pings, streams that are opened and reset at once, credit nobody needs, empty
 * data, frames of unknown types. Work earns patience, and so does time.
 */
export class Patience {
  #left = MOST;

  /** Bytes of the application went either way. */
  work(bytes: number): void {
    this.#left = Math.min(MOST, this.#left + bytes / BYTES_PER_FRAME);
  }

  /** A stream was let through. */
  opened(): void {
    this.#left = Math.min(MOST, this.#left + 4);
  }

  /** Called every few seconds. */
  rest(): void {
    this.#left = Math.min(MOST, this.#left + REST);
  }

  /** A frame that brought no work. @returns false when there were too many */
  spend(): boolean {
    this.#left -= 1;
    return this.#left >= 0;
  }
}
