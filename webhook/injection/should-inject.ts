import { ANNOTATIONS, ANNOTATION_PREFIX } from '#core/constants.ts';
import { quoted } from '#core/fault.ts';
import type { InjectionContext } from './context.ts';
import type { Pod } from './pod.ts';

/** Namespaces that carry the cluster itself: a sidecar there can stop what it needs to start. */
const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'kube-node-lease'];

export type Wish =
  | { readonly inject: true; readonly explicit: boolean }
  /** Left alone; `reason` is a stable word for metrics. */
  | {
      readonly inject: false;
      readonly reason: 'excluded-namespace' | 'not-asked';
      readonly unchanged: string;
    }
  | { readonly fault: string; readonly explicit: boolean };

/** What is on a pod without its author having written it there. */
const WRITTEN_BY_US: readonly string[] = [ANNOTATIONS.status, ANNOTATIONS.sidecarPort];

/**
 * Whether a pod wants a sidecar. Its own annotation or label `mesh/inject` decides, else the label of its namespace, else
 * the answer is no. The wish is explicit where the pod itself says anything to the mesh: then it is refused when it cannot join, and left out
 * where only its namespace asks.
 */
export function injectionIntent(
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
  const explicit = speaksToTheMesh(pod);
  if (wish === 'conflict')
    return { fault: 'the annotation says one thing and the label another; write only one of them', explicit };
  if (wish !== 'true' && wish !== 'false')
    return { fault: `the ${where} says ${quoted(wish)}; write "true" or "false"`, explicit };
  if (wish === 'false')
    return {
      inject: false,
      reason: 'not-asked',
      unchanged: 'neither the pod nor its namespace asks for the mesh',
    };
  return { inject: true, explicit };
}

/** Whether the pod's author wrote an annotation of the mesh on it, or the label `mesh/inject`. */
function speaksToTheMesh({ metadata }: Pod): boolean {
  if (metadata?.labels?.[ANNOTATIONS.inject] !== undefined) return true;
  return Object.keys(metadata?.annotations ?? {}).some(
    (key) => key.startsWith(ANNOTATION_PREFIX) && !WRITTEN_BY_US.includes(key),
  );
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
