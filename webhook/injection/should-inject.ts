import { ANNOTATIONS, SIDECAR_CONTAINER } from '#core/constants.ts';
import { quoted } from '#core/fault.ts';
import type { InjectionContext } from './context.ts';
import type { Pod } from './pod.ts';
import { placedContainers } from './pod.ts';

/** Namespaces that carry the cluster itself: a sidecar there can stop what it needs to start. */
const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'kube-node-lease'];

export type Wish =
  | { readonly inject: true }
  /** Left alone; `reason` is a stable word for metrics. */
  | {
      readonly inject: false;
      readonly reason: 'excluded-namespace' | 'not-asked' | 'already-injected';
      readonly unchanged: string;
    }
  | { readonly fault: string };

/**
 * Whether a pod wants a sidecar. Its own annotation or label `mesh/inject` decides, else the label of its namespace, else
 * the answer is no. Pods that carry a sidecar already (copies that `kubectl debug` makes) are left alone.
 */
export function wishOf(
  pod: Pod,
  context: Pick<InjectionContext, 'namespace' | 'namespaceLabels' | 'meshNamespace' | 'excludedNamespaces'>,
): Wish {
  const { namespace, meshNamespace, excludedNamespaces } = context;
  if (namespace === meshNamespace || [...SYSTEM_NAMESPACES, ...excludedNamespaces].includes(namespace)) {
    return {
      inject: false,
      reason: 'excluded-namespace',
      unchanged: `namespace ${namespace} is excluded from injection`,
    };
  }
  const { wish, where } = writtenWish(pod, context);
  if (wish === 'conflict')
    return { fault: 'the annotation says one thing and the label another; write only one of them' };
  if (wish !== 'true' && wish !== 'false')
    return { fault: `the ${where} says ${quoted(wish)}; write "true" or "false"` };
  if (wish === 'false')
    return {
      inject: false,
      reason: 'not-asked',
      unchanged: 'neither the pod nor its namespace asks for the mesh',
    };
  if (isInjected(pod))
    return { inject: false, reason: 'already-injected', unchanged: 'the pod carries the sidecar already' };
  return { inject: true };
}

function writtenWish(
  { metadata }: Pod,
  { namespace, namespaceLabels }: Pick<InjectionContext, 'namespace' | 'namespaceLabels'>,
): { wish: string; where: string } {
  const key = ANNOTATIONS.inject;
  const annotation = metadata?.annotations?.[key];
  const label = metadata?.labels?.[key];
  if (annotation !== undefined && label !== undefined && annotation !== label)
    return { wish: 'conflict', where: '' };
  if (annotation !== undefined) return { wish: annotation, where: 'annotation' };
  if (label !== undefined) return { wish: label, where: 'label' };
  return { wish: namespaceLabels[key] ?? 'false', where: `label of namespace ${namespace}` };
}

/** Whether we injected this pod before, or the pod it was copied from. */
export function isInjected(pod: Pod): boolean {
  const hasStatus = pod.metadata?.annotations?.[ANNOTATIONS.status] !== undefined;
  return hasStatus && placedContainers(pod).some(({ container }) => container.name === SIDECAR_CONTAINER);
}
