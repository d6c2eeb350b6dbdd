import { LABELS } from '#core/constants.ts';
import { isDnsLabel } from '#core/names.ts';
import type { ServiceName } from '#core/names.ts';
import { sidecarOfPod } from '#core/pod/sidecar-of-pod.ts';
import type { SidecarStyle } from '#core/pod/sidecar-of-pod.ts';
import type { Capabilities } from '#kube/cluster/capabilities.ts';
import type { Pod } from '#kube/types.ts';

import type { OperatorConfig } from '../config/config.ts';
import { isRegistration, isTerminal, podServiceAccount } from './pod.ts';

/**
 * Which pods are members of the mesh, so that they may have a certificate, read rules and the catalog, and name a service. A label
 * makes none of them: the pod's spec has our sidecar, or says that it stands for a process outside of pods, and the pod runs.
 */

/** What this cluster and this installation let be a member. */
export interface MemberRules {
  /** Whether processes outside of pods may join (`outside.enabled` of the chart, `mesh dev`). */
  readonly outside: boolean;
  /**
   * `required` where sidecars are native. `taken-on` before Kubernetes 1.29: there the sidecar is the first container, its post-start
   * command holds back the others until it is ready, and the kubelet does not report the pod's address before that command has ended.
   * So it is enough that a kubelet has taken the pod on.
   */
  readonly address: 'required' | 'taken-on';
}

export function memberRules(given: {
  readonly config: Pick<OperatorConfig, 'outsidePort'>;
  readonly capabilities: Pick<Capabilities, 'nativeSidecars'>;
}): MemberRules {
  return {
    outside: given.config.outsidePort !== undefined,
    address: given.capabilities.nativeSidecars ? 'required' : 'taken-on',
  };
}

/** What a pod's spec says that it is. */
export interface Claim {
  readonly kind: SidecarStyle | 'outside';
  readonly service: ServiceName;
}

/**
 * What a pod is by its spec, running or not. Pure; says the same of a whole pod and of a pruned one.
 *
 * @returns the claim, or a sentence why it is none of ours
 */
export function claimOf(
  pod: Pod,
  { outside }: Pick<MemberRules, 'outside'>,
): Claim | { readonly fault: string } {
  if (pod.metadata.labels?.[LABELS.injected] === undefined)
    return { fault: `the pod has no label ${LABELS.injected}` };
  if (!isRegistration(pod)) {
    const sidecar = sidecarOfPod(pod.spec);
    return 'fault' in sidecar ? sidecar : { kind: sidecar.style, service: sidecar.service };
  }
  if (!outside) return { fault: 'processes outside of pods may not join this mesh (outside.enabled)' };
  const service = podServiceAccount(pod);
  if (pod.metadata.labels[LABELS.service] !== service || !isDnsLabel(service))
    return { fault: `label ${LABELS.service} does not name the ServiceAccount of this registration` };
  return { kind: 'outside', service: service as ServiceName };
}

/** The claim of a pod that is a member now; undefined for any other. Pure. */
export function memberOf(pod: Pod, rules: MemberRules): Claim | undefined {
  if (isTerminal(pod)) return undefined;
  const claim = claimOf(pod, rules);
  return 'fault' in claim || !isPlaced(pod, claim, rules) ? undefined : claim;
}

/** Whether the pod has an address, or as much as there can be of it. */
export function isPlaced(pod: Pod, { kind }: Claim, { address }: Pick<MemberRules, 'address'>): boolean {
  const { podIP, hostIP } = pod.status ?? {};
  if (podIP) return true;
  return kind === 'ordinary' && address === 'taken-on' && Boolean(hostIP);
}
