/**
 * What all tunnels of this process together may promise to hold beyond the base window of each stream. Windows of fast
 * streams grow from it, and give back when the stream ends; when it is used up, windows just grow no more.
 */
export class WindowBudget {
  /** For all of them together. */
  readonly bytes: number;
  readonly #isTight: () => boolean;
  #left: number;

  /**
   * @param bytes for all of them together
   * @param isTight whether memory is so short that nothing is promised now
   */
  constructor(bytes: number, isTight: () => boolean = () => false) {
    this.bytes = bytes;
    this.#isTight = isTight;
    this.#left = bytes;
  }

  /** @returns whether there was so much */
  take(bytes: number): boolean {
    if (bytes > this.#left || this.#isTight()) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}
