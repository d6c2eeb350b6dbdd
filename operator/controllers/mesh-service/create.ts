import { LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { Pod } from '#kube/types.ts';

import { isInstance, podService, podServiceAccount } from '../../resources/pod.ts';

/**
 * The MeshService to make for pods that name a service nobody defined: the first pod (the oldest, then by name) says who may
 * hold it. Undefined when no pod asks for it. Pure.
 *
 * @param name the service's name
 * @param pods the injected pods of its namespace
 */
export function meshServiceFor(
  namespace: string,
  name: string,
  pods: readonly Pod[],
): MeshService | undefined {
  const [first] = pods.filter((pod) => podService(pod) === name && isInstance(pod)).sort(olderFirst);
  if (!first) return undefined;
  return {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace, labels: { [LABELS.managedBy]: MANAGED_BY_VALUE } },
    spec: { serviceAccounts: [podServiceAccount(first)] },
  };
}

function olderFirst(a: Pod, b: Pod): number {
  return (
    compare(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
    compare(a.metadata.name, b.metadata.name)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
