import type { ClusterFacts } from './bootstrap.ts';
import type { Authority } from '../ca/authority.ts';
import { Caches } from '../control-loop/caches.ts';
import type { CachesDeps } from '../control-loop/caches.ts';
import type { OperatorDeps } from './parts.ts';

/** The caches, with settings and authority following what they hear of the MeshConfig. */
export function startCaches(
  deps: Omit<CachesDeps, 'watchAllPods' | 'meshNamespace'> & Pick<OperatorDeps, 'config'>,
  { settings, capabilities }: ClusterFacts,
  authority: Pick<Authority, 'follow'>,
): Caches {
  const caches = new Caches({
    ...deps,
    meshNamespace: deps.config.meshNamespace,
    watchAllPods: !capabilities.matchConditions,
  });
  caches.meshConfigs.subscribe((changes) => {
    for (const { after } of changes) {
      if (!after) continue;
      settings.take(after);
      void authority.follow(after.status);
    }
  });
  caches.start();
  return caches;
}
