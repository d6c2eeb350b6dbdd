import { ANNOTATIONS } from '#core/constants.ts';
import { sidecarOfPod } from '#core/pod/sidecar-of-pod.ts';
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
