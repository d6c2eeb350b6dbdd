import type { OwnerReference } from '#core/resource.ts';
import type { KubeApi } from '#kube/api.ts';
import { CLUSTER_ROLES } from '#kube/types.ts';

/**
 * The reference that makes the chart's ClusterRole the owner of what the operator makes: when the chart is removed, the garbage collector
 * removes that too. It does not block the ClusterRole's own deletion.
 *
 * @throws KubeError 404 when there is no such ClusterRole
 */
export async function chartOwner(api: KubeApi, clusterRole: string): Promise<OwnerReference> {
  const { metadata } = await api.get(CLUSTER_ROLES, { name: clusterRole });
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    name: clusterRole,
    uid: metadata.uid ?? '',
  };
}
