import { ANNOTATIONS } from '#core/constants.ts';
import { sidecarOfPod } from '#core/sidecar-of-pod.ts';
import type { Pod } from '#kube/types.ts';

import { isRegistration, isTerminal } from '../../resources/pod.ts';

/** Namespaces that carry the cluster itself and are never injected. */
export const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'kube-node-lease'] as const;

/**
 * Whether this pod asked for the mesh and did not get it: the webhook was away when it was made, and on servers without
 * `matchConditions` the API server then lets pods pass. Pods of the mesh's own namespace and of excluded ones are never injected.
 * Pure.
 */
export function missedInjection(pod: Pod, excludedNamespaces: readonly string[]): boolean {
  const { labels, annotations, namespace = '', deletionTimestamp } = pod.metadata;
  const asks = annotations?.[ANNOTATIONS.inject] === 'true' || labels?.[ANNOTATIONS.inject] === 'true';
  return (
    asks &&
    'fault' in sidecarOfPod(pod.spec) &&
    !isRegistration(pod) &&
    !isTerminal(pod) &&
    deletionTimestamp === undefined &&
    !excludedNamespaces.includes(namespace)
  );
}

/** Transform of the watch on all pods: of a pod that is no candidate only the name is kept. */
export function pruneUnlessAsking(pod: Pod, prune: (pod: Pod) => Pod): Pod {
  const { labels, annotations, name, namespace } = pod.metadata;
  const mentions =
    annotations?.[ANNOTATIONS.inject] !== undefined || labels?.[ANNOTATIONS.inject] !== undefined;
  return mentions ? prune(pod) : { metadata: { name, ...(namespace ? { namespace } : {}) } };
}
