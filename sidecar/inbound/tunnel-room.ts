import type { Obstacle } from '../memory/memory-budget.ts';
import type { PeerAccount } from '../memory/peer-account.ts';

/**
 * Tunnels that one peer may have, and those that carry nothing. Ours has up to four for each of its processes, and after each renewal of
 * its certificate those to which streams are still bound.
 */
export const MOST_TUNNELS_OF_A_PEER = 64;
export const MOST_IDLE_TUNNELS_OF_A_PEER = 16;

/** A tunnel, as far as it matters here. */
export interface Tenant {
  readonly account: PeerAccount;
  /** Since when it has carried nothing, milliseconds; undefined while it carries something. */
  readonly idleSince: number | undefined;
}

/** Who stands in the way of one more tunnel: the peer has too many, or what {@link Obstacle} says. */
export type TunnelObstacle = Obstacle | 'tunnels';

/**
 * Which tunnel is ended so that another one may be opened: of those that carry nothing, where the obstacle is, the peer's who has
 * most of them, and of these the one that has carried nothing for the longest time.
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
  const idle = new Map<PeerAccount, { count: number; longest: T }>();
  for (const tunnel of tunnels) {
    if (tunnel.idleSince === undefined || !isThere(tunnel.account, account, obstacle)) continue;
    const known = idle.get(tunnel.account);
    if (!known) {
      idle.set(tunnel.account, { count: 1, longest: tunnel });
      continue;
    }
    known.count += 1;
    if (tunnel.idleSince < (known.longest.idleSince ?? Infinity)) known.longest = tunnel;
  }
  let most: { count: number; longest: T } | undefined;
  for (const candidate of idle.values()) {
    const tie = candidate.count === most?.count;
    const longer = (candidate.longest.idleSince ?? 0) < (most?.longest.idleSince ?? Infinity);
    if (!most || candidate.count > most.count || (tie && longer)) most = candidate;
  }
  return most?.longest;
}

/**
 * Whether a peer has so many tunnels that one has to go before another may come.
 *
 * @param own the tunnels that it has
 */
export function hasTooMany(own: readonly Tenant[]): boolean {
  const idle = own.filter(({ idleSince }) => idleSince !== undefined);
  return own.length >= MOST_TUNNELS_OF_A_PEER || idle.length >= MOST_IDLE_TUNNELS_OF_A_PEER;
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
