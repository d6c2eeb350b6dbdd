/** How much of what others write is kept in memory. */
export interface ItemLimits {
  /** Objects in all. */
  readonly total?: number;
  /** Size of what is kept of the objects of one namespace, as JSON, bytes; about half or a third of what it takes in memory. */
  readonly namespaceBytes?: number;
}

/** Which objects have a place within the limits. What came first keeps its place. */
export class ItemRoom {
  readonly #limits: ItemLimits;
  readonly #isLimited: boolean;
  readonly #sizes = new Map<string, number>();
  readonly #namespaces = new Map<string, number>();

  constructor(limits: ItemLimits) {
    this.#limits = limits;
    this.#isLimited = limits.total !== undefined || limits.namespaceBytes !== undefined;
  }

  /**
   * Takes a place for an object, or changes the size of the place it has.
   *
   * @param key `namespace/name`
   * @returns whether there is one; where there is none any more for an object that grew, it has lost the one it had
   */
  take(key: string, kept: unknown): boolean {
    if (!this.#isLimited) return true;
    const { total = Infinity, namespaceBytes = Infinity } = this.#limits;
    const isNew = !this.#sizes.has(key);
    this.give(key);
    if (isNew && this.#sizes.size >= total) return false;
    const bytes = namespaceBytes === Infinity ? 0 : (JSON.stringify(kept)?.length ?? 0);
    const namespace = namespaceOf(key);
    const within = (this.#namespaces.get(namespace) ?? 0) + bytes;
    if (within > namespaceBytes) return false;
    this.#sizes.set(key, bytes);
    this.#namespaces.set(namespace, within);
    return true;
  }

  /** Gives the place of an object back, if it has one. */
  give(key: string): void {
    const bytes = this.#sizes.get(key);
    if (bytes === undefined) return;
    this.#sizes.delete(key);
    const namespace = namespaceOf(key);
    const left = (this.#namespaces.get(namespace) ?? 0) - bytes;
    if (left > 0) this.#namespaces.set(namespace, left);
    else this.#namespaces.delete(namespace);
  }
}

function namespaceOf(key: string): string {
  const slash = key.indexOf('/');
  return slash < 0 ? '' : key.slice(0, slash);
}
