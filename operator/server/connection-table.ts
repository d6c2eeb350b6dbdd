/** How many connections one port holds. */
export interface ConnectionLimits {
  readonly total: number;
  /** The share of one network, see {@link file://./network-of.ts}. */
  readonly perNetwork: number;
}

/** Which limit a connection fell to. */
export type ConnectionLimit = 'network' | 'total';

/** Where a connection comes from. */
export interface Origin {
  readonly network: string;
  /** Whether the port is for that network, as far as can be said before its first word. Others are evicted first. */
  readonly isKnown: boolean;
}

/** What the table knows of one connection. */
export class Connection implements Origin {
  readonly network: string;
  readonly isKnown: boolean;
  /** The turn of the event loop in which it came. */
  readonly turn: number;
  readonly evict: (limit: ConnectionLimit) => void;
  /** Smaller for those that came earlier, or were used longer ago where they are proven. */
  order = 0;
  /** Whether a request of it is being answered: meanwhile it is not evicted. */
  isWorking = false;
  readonly #table: Pick<ConnectionTable, 'used' | 'release'>;
  #isProven = false;

  constructor(
    table: Pick<ConnectionTable, 'used' | 'release'>,
    origin: Origin & { readonly turn: number },
    evict: (limit: ConnectionLimit) => void,
  ) {
    this.#table = table;
    this.network = origin.network;
    this.isKnown = origin.isKnown;
    this.turn = origin.turn;
    this.evict = evict;
  }

  /** Whether its peer has shown that it is one of those whom the port is for. Others are evicted first. */
  get isProven(): boolean {
    return this.#isProven;
  }

  prove(): void {
    this.#isProven = true;
  }

  /** A whole request is there. */
  begin(): void {
    this.isWorking = true;
  }

  /** The request is answered. */
  end(): void {
    this.isWorking = false;
    this.#table.used(this);
  }

  /** It is closed. Idempotent. */
  release(): void {
    this.#table.release(this);
  }
}

type May = (connection: Connection) => boolean;
const always: May = () => true;

/** So many times the limit may be there within a turn of the event loop, before those that just came had time to be heard. */
const BURST = 2;

/**
 * The connections of one port. There is always room for one more: where there are too many, the oldest is closed that has not
 * proven itself, of the unknown network that has most such; only where all have proven themselves, the one that was idle for
 * longest. So a stranger who holds many connections loses its own, and whoever is quick is never in the way.
 */
export class ConnectionTable {
  readonly #limits: ConnectionLimits;
  /** By network, in the order in which they came, or were used last where they are proven. */
  readonly #networks = new Map<string, Set<Connection>>();
  #size = 0;
  #orders = 0;
  #turn = 0;
  #trimming: NodeJS.Immediate | undefined;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Takes a connection in.
   *
   * @param evict closes it, to make room for another; never called before this returns
   * @returns undefined where every place is taken by a request that is being answered
   */
  add(origin: Origin, evict: (limit: ConnectionLimit) => void): Connection | undefined {
    if (this.#size >= BURST * this.#limits.total) {
      const victim = this.#victim(always);
      if (!victim) return undefined;
      this.#evict(victim, 'total');
    }
    const { network, isKnown } = origin;
    const connection = new Connection(this, { network, isKnown, turn: this.#turn }, evict);
    connection.order = this.#orders += 1;
    const peers = this.#networks.get(network) ?? new Set();
    this.#networks.set(network, peers.add(connection));
    this.#size += 1;
    this.#trimSoon();
    return connection;
  }

  /** It was used, and is idle now: others are older. */
  used(connection: Connection): void {
    const peers = this.#networks.get(connection.network);
    if (!peers?.has(connection)) return;
    if (connection.isProven) {
      peers.delete(connection);
      peers.add(connection);
      connection.order = this.#orders += 1;
    }
    if (this.#size > this.#limits.total || peers.size > this.#limits.perNetwork) this.#trimSoon();
  }

  release(connection: Connection): void {
    const peers = this.#networks.get(connection.network);
    if (!peers?.delete(connection)) return;
    this.#size -= 1;
    if (peers.size === 0) this.#networks.delete(connection.network);
  }

  readonly #trim = (): void => {
    this.#trimming = undefined;
    this.#turn += 1;
    const { total, perNetwork } = this.#limits;
    const hadItsTurn = ({ turn }: Connection): boolean => turn + 1 < this.#turn;
    for (const peers of [...this.#networks.values()])
      this.#shrink(
        'network',
        { isOver: () => peers.size > perNetwork, next: (may) => oldestOf(peers, may) },
        hadItsTurn,
      );
    this.#shrink('total', { isOver: () => this.#size > total, next: (may) => this.#victim(may) }, hadItsTurn);
  };

  #shrink(
    limit: ConnectionLimit,
    { isOver, next }: { readonly isOver: () => boolean; readonly next: (may: May) => Connection | undefined },
    hadItsTurn: May,
  ): void {
    while (isOver()) {
      const victim = next(hadItsTurn);
      if (victim) this.#evict(victim, limit);
      // Where all are being answered, the first that ends comes back here.
      else if (next(always)) return this.#trimSoon();
      else return;
    }
  }

  #trimSoon(): void {
    this.#trimming ??= setImmediate(this.#trim);
  }

  #evict(connection: Connection, limit: ConnectionLimit): void {
    this.release(connection);
    connection.evict(limit);
  }

  #victim(may: May): Connection | undefined {
    let found: { readonly oldest: Connection; readonly count: number } | undefined;
    for (const peers of this.#networks.values()) {
      const oldest = oldestOf(peers, may);
      if (!oldest || (found && !comesFirst(oldest, unprovenOf(peers), found))) continue;
      found = { oldest, count: unprovenOf(peers) };
    }
    return found?.oldest;
  }
}

/** Whether a connection is to be evicted rather than the one that was found before. */
function comesFirst(
  oldest: Connection,
  count: number,
  found: { readonly oldest: Connection; readonly count: number },
): boolean {
  if (oldest.isProven !== found.oldest.isProven) return !oldest.isProven;
  if (oldest.isKnown !== found.oldest.isKnown) return !oldest.isKnown;
  return count === found.count ? oldest.order < found.oldest.order : count > found.count;
}

function unprovenOf(peers: Iterable<Connection>): number {
  let found = 0;
  for (const { isProven } of peers) if (!isProven) found += 1;
  return found;
}

/** The one of a network that is evicted first: not proven, else proven, the oldest of these; never one that is being answered. */
function oldestOf(peers: ReadonlySet<Connection>, may: May): Connection | undefined {
  let proven: Connection | undefined;
  for (const connection of peers) {
    if (connection.isWorking || !may(connection)) continue;
    if (!connection.isProven) return connection;
    proven ??= connection;
  }
  return proven;
}
