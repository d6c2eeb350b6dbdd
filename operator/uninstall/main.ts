import { inClusterConfig } from '#kube/cluster/in-cluster.ts';
import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import { jsonLog } from '#base/log.ts';

import { uninstall } from './uninstall.ts';

/**
 * The command `uninstall` of the operator's image.
 *
 * @returns the exit code
 */
export async function runUninstall(env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const log = jsonLog('mesh-operator', 'info');
  const meshNamespace = env['MESH_NAMESPACE'];
  if (!meshNamespace) {
    log.error({}, 'MESH_NAMESPACE is not set: write the namespace the mesh is installed in');
    return 2;
  }
  const api = new KubeClient({ config: await inClusterConfig(env), userAgent: 'mesh-uninstall' });
  try {
    await uninstall({ api, clock: systemClock, log, meshNamespace });
    return 0;
  } catch (error) {
    log.error({ err: error }, 'the webhooks could not be removed');
    return 1;
  } finally {
    api.close();
  }
}
