import { KubeClient } from '#kube/client.ts';
import { kubeconfigCluster } from '#kube/kubeconfig.ts';
import { INTENTIONS, MESH_CONFIGS, MESH_SERVICES } from '#kube/types.ts';

import { kubeconfigPath } from '../cluster/paths.ts';

const TYPES = { Intention: INTENTIONS, MeshService: MESH_SERVICES, MeshConfig: MESH_CONFIGS } as const;

let shared: KubeClient | undefined;

/** One client of the test cluster with the administrator's rights, for what `kubectl` is too slow for. */
export function client(): KubeClient {
  shared ??= new KubeClient({ cluster: kubeconfigCluster({ path: kubeconfigPath() }) });
  return shared;
}

/** Ends the shared client, so that the process can end. */
export async function closeClient(): Promise<void> {
  await shared?.close();
  shared = undefined;
}

/**
 * Changes one object by JSON merge patch.
 *
 * @returns milliseconds since the epoch right before the request was sent, so that what is measured from here leaves nothing out
 */
export async function timedPatch(kind: keyof typeof TYPES, namespace: string, name: string, patch: object): Promise<number> {
  await client().raw('/version');
  const sent = Date.now();
  await client().mergePatch<never>(TYPES[kind] as never, { name, namespace }, patch);
  return sent;
}
