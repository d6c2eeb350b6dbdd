import { MEMORY_COSTS } from '../memory/costs.ts';
import type { Obstacle } from '../memory/memory-budget.ts';
import type { PeerAccount } from '../memory/peer-account.ts';

/**
 * Tunnels that one peer may have, and those that carry nothing. Ours has up to four for each of its processes, and after each renewal of
 * its certificate those to which streams are still bound.
 */
export const MOST_TUNNELS_OF_A_PEER = 64;
export const MOST_IDLE_TUNNELS_OF_A_PEER = 16;

/** Of the memory for peers, what all tunnels together may take that carry nothing. */
const IDLE_SHARE = 1 / 2;

/** A tunnel, as far as it matters here. */
export interface Tenant {
  readonly account: PeerAccount;
  /** Since when it has carried nothing, milliseconds; undefined while it carries something. */
  readonly idleSince: number | undefined;
  /** Whether any stream of it was ever let through: none is of a peer that is denied. */
  readonly hasCarried: boolean;
}

/** Who stands in the way of one more tunnel: the peer has too many, or what {@link Obstacle} says. */
export type TunnelObstacle = Obstacle | 'tunnels';

/**
 * Which tunnel is ended so that another one may be opened: of those that carry nothing, where the obstacle is, one that never
 * carried anything if there is one, of the peer that has most of them, and of these the one that is idle for the longest time.
 *
 * @param tunnels all that are open
 * @param account for whom another one is to be opened
 * @returns undefined where all of them carry something
 */
export function leastUseful<T extends Tenant>(
  tunnels: Iterable<T>,
  account: PeerAccount,
  obstacle: TunnelObstacle,
): T | undefined {
  const idle = [...tunnels].filter(
    (tunnel) => tunnel.idleSince !== undefined && isThere(tunnel.account, account, obstacle),
  );
  const unused = idle.filter(({ hasCarried }) => !hasCarried);
  const byPeer = new Map<PeerAccount, T[]>();
  for (const tunnel of unused.length > 0 ? unused : idle) {
    const known = byPeer.get(tunnel.account);
    if (known) known.push(tunnel);
    else byPeer.set(tunnel.account, [tunnel]);
  }
  const most = Math.max(0, ...[...byPeer.values()].map(({ length }) => length));
  let longest: T | undefined;
  for (const tunnel of [...byPeer.values()].filter(({ length }) => length === most).flat())
    if (!longest || sinceOf(tunnel) < sinceOf(longest)) longest = tunnel;
  return longest;
}

function sinceOf({ idleSince }: Tenant): number {
  return idleSince ?? Infinity;
}

/**
 * Whether there are so many tunnels that one has to go before another may come.
 *
 * @param tunnels all that are open
 * @param account for whom another one is to be opened
 * @param memory for peers, bytes
 * @returns who has too many: the peer, or all together
 */
export function tooMany(
  tunnels: Iterable<Tenant>,
  account: PeerAccount,
  memory: number,
): 'tunnels' | 'process' | undefined {
  const own = { all: 0, idle: 0 };
  let idle = 0;
  for (const tunnel of tunnels) {
    const isIdle = tunnel.idleSince !== undefined;
    if (isIdle) idle += 1;
    if (tunnel.account !== account) continue;
    own.all += 1;
    if (isIdle) own.idle += 1;
  }
  if (own.all >= MOST_TUNNELS_OF_A_PEER || own.idle >= MOST_IDLE_TUNNELS_OF_A_PEER) return 'tunnels';
  return (idle + 1) * MEMORY_COSTS.tls > memory * IDLE_SHARE ? 'process' : undefined;
}

function isThere(one: PeerAccount, account: PeerAccount, obstacle: TunnelObstacle): boolean {
  switch (obstacle) {
    case 'tunnels':
    case 'peer':
      return one === account;
    case 'identity':
      return one.identity === account.identity;
    case 'process':
      return true;
  }
}
