import { BySize } from './by-size.ts';

/** Connections of one network, by their addresses and in the order in which they came. */
export class NetworkCrowd<P extends { readonly address: string }> {
  readonly #addresses = new Map<string, Set<P>>();
  readonly #bySize = new BySize<Set<P>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(member: P): boolean {
    return this.#addresses.get(member.address)?.has(member) ?? false;
  }

  add(member: P): void {
    const peers = this.#addresses.get(member.address) ?? new Set();
    this.#addresses.set(member.address, peers);
    this.#bySize.change(peers, () => peers.add(member));
    this.#size += 1;
  }

  /** @param member one that is there */
  delete(member: P): void {
    const peers = this.#addresses.get(member.address);
    if (!peers?.has(member)) return;
    this.#bySize.change(peers, () => peers.delete(member));
    this.#size -= 1;
    if (peers.size === 0) this.#addresses.delete(member.address);
  }

  /** The oldest connection of each address; that of the address with most first. */
  *oldest(): Iterable<P> {
    for (const [oldest] of this.#bySize.largestFirst()) if (oldest) yield oldest;
  }

  *[Symbol.iterator](): Iterator<P> {
    for (const peers of this.#addresses.values()) yield* peers;
  }
}
