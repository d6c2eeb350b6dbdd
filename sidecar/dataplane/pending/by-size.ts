/** Groups by the number of their members, so that the largest are found at once. */
export class BySize<G extends { readonly size: number }> {
  readonly #groups = new Map<number, Set<G>>();

  /** Changes the members of a group, which is in here while it has any. */
  change(group: G, change: () => void): void {
    const before = this.#groups.get(group.size);
    before?.delete(group);
    if (before?.size === 0) this.#groups.delete(group.size);
    change();
    if (group.size === 0) return;
    const after = this.#groups.get(group.size) ?? new Set();
    this.#groups.set(group.size, after.add(group));
  }

  /** Of those with as many members, the one that has had them longest comes first. */
  *largestFirst(): Iterable<G> {
    const sizes = [...this.#groups.keys()].sort((one, other) => other - one);
    for (const size of sizes) yield* this.#groups.get(size) ?? [];
  }
}
