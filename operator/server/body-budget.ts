/** The memory that bodies of requests may take, bytes. */
export interface BodyBudgetLimits {
  /** For all bodies together that are being read or worked on. */
  readonly total: number;
  /** The share of one network, see {@link file://./network-of.ts}. */
  readonly perNetwork: number;
}

/** Room for one body. */
export class BodyPlace {
  readonly network: string;
  readonly bytes: number;
  readonly evict: () => void;
  /** Whether the body is there: from then on it is worked on, and not evicted. */
  isComplete = false;
  readonly #release: (place: BodyPlace) => void;

  constructor(
    { network, bytes }: { readonly network: string; readonly bytes: number },
    evict: () => void,
    release: (place: BodyPlace) => void,
  ) {
    this.network = network;
    this.bytes = bytes;
    this.evict = evict;
    this.#release = release;
  }

  complete(): void {
    this.isComplete = true;
  }

  /** Its memory is given back. Idempotent. */
  release(): void {
    this.#release(this);
  }
}

/**
 * Memory for the bodies of all requests of a process, given away before the first byte is read. A body that is not there yet makes
 * room for a newer one, the oldest first: real clients send theirs at once. What is being worked on is not taken away, so there
 * may be no room.
 */
export class BodyBudget {
  readonly #limits: BodyBudgetLimits;
  /** In the order in which they came. */
  readonly #places = new Set<BodyPlace>();

  constructor(limits: BodyBudgetLimits) {
    this.#limits = limits;
  }

  /** Bytes given away now. */
  get used(): number {
    return sum(this.#places);
  }

  /**
   * Room for a body.
   *
   * @param evict another came first: the body is not to be read on. Called at most once, and never before this returns
   * @returns undefined where there is none, even if every body that is not there yet made room
   */
  reserve(
    wanted: { readonly network: string; readonly bytes: number },
    evict: () => void,
  ): BodyPlace | undefined {
    const { total, perNetwork } = this.#limits;
    const own = [...this.#places].filter(({ network }) => network === wanted.network);
    const first = victims(own, sum(own) + wanted.bytes - perNetwork);
    if (!first) return undefined;
    const rest = [...this.#places].filter((place) => !first.includes(place));
    const then = victims(rest, sum(rest) + wanted.bytes - total);
    if (!then) return undefined;
    for (const place of [...first, ...then]) {
      place.release();
      place.evict();
    }
    const place = new BodyPlace(wanted, evict, (released) => this.#places.delete(released));
    this.#places.add(place);
    return place;
  }
}

/** The oldest incomplete bodies that together have so many bytes; undefined where all of them have fewer. */
function victims(places: readonly BodyPlace[], bytes: number): readonly BodyPlace[] | undefined {
  const found: BodyPlace[] = [];
  let missing = bytes;
  for (const place of places) {
    if (missing <= 0) break;
    if (place.isComplete) continue;
    found.push(place);
    missing -= place.bytes;
  }
  return missing <= 0 ? found : undefined;
}

function sum(places: Iterable<BodyPlace>): number {
  let bytes = 0;
  for (const place of places) bytes += place.bytes;
  return bytes;
}
