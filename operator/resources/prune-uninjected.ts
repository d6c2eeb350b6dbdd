import { ANNOTATIONS, LABELS } from '#core/constants.ts';
import type { Pod } from '#kube/types.ts';

import { pick } from './pod.ts';

/** Transform of the watch on all pods: of a pod that is not a candidate only the name is kept. */
export function pruneUnlessAsking(pod: Pod, prune: (pod: Pod) => Pod): Pod {
  const { labels, annotations, name, namespace } = pod.metadata;
  const mentions =
    annotations?.[ANNOTATIONS.inject] !== undefined || labels?.[ANNOTATIONS.inject] !== undefined;
  return mentions ? prune(pod) : { metadata: { name, ...(namespace ? { namespace } : {}) } };
}

/** Of a pod that was left out only its name and the reason are kept. Transform of the watch on them. */
export function pruneLeftOut({ metadata, status }: Pod): Pod {
  const reason = metadata.labels?.[LABELS.leftOut];
  return {
    metadata: {
      ...pick(metadata, ['namespace', 'uid', 'resourceVersion']),
      name: metadata.name,
      ...(reason === undefined ? {} : { labels: { [LABELS.leftOut]: reason } }),
    },
    status: { ...(status?.phase ? { phase: status.phase } : {}) },
  };
}
