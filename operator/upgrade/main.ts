import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import { inClusterConfig } from '#kube/cluster/in-cluster.ts';
import { jsonLog } from '#base/log.ts';

import { removeOldBindings } from './old-bindings.ts';

/**
 * The command `upgrade NAME...` of the operator's image: the chart's hook after an upgrade.
 *
 * @param names of bindings of an earlier version
 * @returns the exit code
 */
export async function runUpgrade(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const log = jsonLog('mesh-operator', 'info');
  const meshNamespace = env['MESH_NAMESPACE'];
  if (!meshNamespace) {
    log.error({}, 'MESH_NAMESPACE is not set: write the namespace the mesh is installed in');
    return 2;
  }
  const api = new KubeClient({ config: await inClusterConfig(env), userAgent: 'mesh-upgrade' });
  try {
    await removeOldBindings(names, { api, clock: systemClock, log, meshNamespace });
    return 0;
  } catch (error) {
    log.error({ err: error }, 'bindings of an earlier version could not be removed');
    return 1;
  } finally {
    api.close();
  }
}
