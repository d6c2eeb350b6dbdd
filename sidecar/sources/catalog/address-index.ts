/** Which keys go with an address: mostly one, so that a set is made for the second only. */
export class AddressIndex {
  readonly #keys = new Map<string, string | Set<string>>();

  get size(): number {
    return this.#keys.size;
  }

  add(address: string, key: string): void {
    const known = this.#keys.get(address);
    if (known === undefined || known === key) this.#keys.set(address, key);
    else if (typeof known === 'string') this.#keys.set(address, new Set([known, key]));
    else known.add(key);
  }

  delete(address: string, key: string): void {
    const known = this.#keys.get(address);
    if (known === key) this.#keys.delete(address);
    if (known === undefined || typeof known === 'string') return;
    known.delete(key);
    const [last] = known;
    if (known.size === 1 && last !== undefined) this.#keys.set(address, last);
  }

  /** Empty when nothing goes with it. */
  of(address: string): readonly string[] {
    const known = this.#keys.get(address);
    if (known === undefined) return NONE;
    return typeof known === 'string' ? [known] : [...known];
  }
}

const NONE: readonly string[] = Object.freeze([]);
