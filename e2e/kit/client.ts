import { KubeClient } from '#kube/client/client.ts';
import { kubeconfig } from '#kube/cluster/kubeconfig.ts';
import { INTENTIONS, MESH_CONFIGS, MESH_SERVICES } from '#kube/types.ts';

import { kubeconfigPath } from '../cluster/paths.ts';

const TYPES = { Intention: INTENTIONS, MeshService: MESH_SERVICES, MeshConfig: MESH_CONFIGS } as const;

/**
 * Changes one object by JSON merge patch, without the time a `kubectl` needs to start.
 *
 * @returns Unix time, milliseconds right before the request was sent, so that what is measured from here leaves nothing out
 */
export async function timedPatch(
  kind: keyof typeof TYPES,
  namespace: string,
  name: string,
  patch: object,
): Promise<number> {
  const client = new KubeClient({ config: await kubeconfig({ path: kubeconfigPath() }) });
  try {
    // Connects, so that the handshake is not measured.
    await client.raw('/version');
    const sent = Date.now();
    await client.mergePatch<never>(
      TYPES[kind] as never,
      { name, ...(namespace ? { namespace } : {}) },
      patch,
    );
    return sent;
  } finally {
    client.close();
  }
}

/** Changes the MeshConfig's status, as only the mesh does otherwise. */
export async function patchMeshConfigStatus(status: object): Promise<void> {
  const client = new KubeClient({ config: await kubeconfig({ path: kubeconfigPath() }) });
  try {
    await client.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { status }, { subresource: 'status' });
  } finally {
    client.close();
  }
}
