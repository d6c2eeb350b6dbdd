/** Most turns of the event loop fill one of these; */
const SMALL_BYTES = 16_384;
/** a turn with bulk data one of these: what is flushed at once, and one frame. */
const LARGE_BYTES = 330_000;
const KEPT = { small: 64, large: 4 } as const;

/** Memory that frames are collected in. */
export interface Slab {
  readonly memory: Buffer;
  /** Bytes in use, from the start. */
  used: number;
}

/**
 * Slabs that were written and are free again, for all tunnels of the process: memory that is used over and over stays in the
 * processor's caches, and idle tunnels hold none.
 */
export class SlabPool {
  readonly #small: Slab[] = [];
  readonly #large: Slab[] = [];

  /** A slab with room for so many bytes at least. */
  take(bytes: number): Slab {
    const large = bytes > SMALL_BYTES;
    const slab = (large ? this.#large : this.#small).pop();
    if (slab) return slab;
    return { memory: Buffer.allocUnsafeSlow(large ? LARGE_BYTES : SMALL_BYTES), used: 0 };
  }

  /** Nobody reads from it any more. */
  give(slab: Slab): void {
    slab.used = 0;
    const large = slab.memory.length > SMALL_BYTES;
    const free = large ? this.#large : this.#small;
    if (free.length < (large ? KEPT.large : KEPT.small)) free.push(slab);
  }
}

/** The one of this process. */
export const slabs = new SlabPool();
