import type { Clock } from '#base/clock.ts';

/** Addresses that are kept, and for how long after the last proof, milliseconds. */
const MAX_ADDRESSES = 512;
const KEPT_MS = 3_600_000;

/**
 * Addresses of clients that proved to be no strangers within the last hour. Where there is not enough for all, they come first. They
 * are single ones in IPv6 too: the pods of a node, or of a whole subnet, share a /64 there, and a stranger among them proved nothing.
 */
export class KnownAddresses {
  readonly #clock: Clock;
  /** When the last proof came from there, the longest ago first. */
  readonly #provedAt = new Map<string, number>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** A client at this address proved to be no stranger. */
  add(address: string): void {
    this.#provedAt.delete(address);
    this.#provedAt.set(address, this.#clock.now());
    const [oldest] = this.#provedAt.keys();
    if (this.#provedAt.size > MAX_ADDRESSES && oldest !== undefined) this.#provedAt.delete(oldest);
  }

  has(address: string): boolean {
    const at = this.#provedAt.get(address);
    return at !== undefined && this.#clock.now() - at < KEPT_MS;
  }
}
