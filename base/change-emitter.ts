/** Those who want to hear of a change, in the order they came. */
export class ChangeEmitter {
  readonly #listeners = new Set<() => void>();

  /** @returns stops the calls */
  add(listener: () => void): () => void {
    // A wrapper of its own, so that the same function added twice is two listeners.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Calls everyone. */
  emit(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
