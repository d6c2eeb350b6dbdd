import { validity } from '#pki/svid.ts';

import { startAuthority } from './bootstrap.ts';
import type { BootstrapDeps, StartedAuthority, ClusterFacts } from './bootstrap.ts';
import { AuthorityWatch } from '../ca/authority-watch.ts';
import type { Authority } from '../ca/authority.ts';
import { shortId } from '../ca/watched.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';

export interface WatchedAuthority extends StartedAuthority {
  readonly authorityWatch: AuthorityWatch;
}

/** The certificate authority, looked after from now on. */
export async function startWatchedAuthority(
  deps: BootstrapDeps & { readonly metrics: OperatorMetrics },
  surroundings: ClusterFacts,
  signal: AbortSignal,
): Promise<WatchedAuthority> {
  const started = await startAuthority(deps, surroundings, signal);
  const { authority } = started;
  const authorityWatch = new AuthorityWatch({ ...deps, authority });
  signal.addEventListener('abort', () => authorityWatch.stop());
  void authorityWatch.look();
  authority.onChange(() => void authorityWatch.look());
  return { ...started, authorityWatch };
}

/** Sets the gauges about roots and intermediates. */
export function measureAuthority(
  metrics: Pick<OperatorMetrics, 'rootExpiry' | 'intermediateExpiry'>,
  authority: Authority,
): void {
  metrics.intermediateExpiry.reset();
  for (const one of authority.intermediates)
    metrics.intermediateExpiry.set({ intermediate: shortId(one) }, validity(one).notAfter / 1000);
  metrics.rootExpiry.reset();
  for (const { id, active, notAfter } of authority.roots()) {
    metrics.rootExpiry.set({ root: id.slice(0, 12), active: String(active) }, Date.parse(notAfter) / 1000);
  }
}
