/**
 * What all tunnels of this process together may promise to hold beyond the base window of each stream. Windows of fast
 * streams grow from it, and give back when the stream ends; when it is used up, windows just grow no more.
 */
export class WindowBudget {
  #left: number;

  /** @param bytes for all of them together */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** @returns whether there was so much */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}
