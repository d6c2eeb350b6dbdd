import type { Pod } from '#kube/types.ts';

import { carriesSidecar, isRegistration, isTerminal, podAddresses } from '../../resources/pod.ts';

/**
 * Whether a pod is an instance of its service on more than its author's word: its spec has our sidecar, and the kubelet, which alone
 * writes a pod's status, has given it an address of its own. A pod of the node's network has none. Pure.
 *
 * @param isProven whether a process outside of pods has shown that it is where its registration says
 */
export function isVouched(pod: Pod, isProven: (registration: Pod) => boolean): boolean {
  if (isTerminal(pod) || podAddresses(pod).length === 0 || pod.spec?.hostNetwork === true) return false;
  return isRegistration(pod) ? isProven(pod) : carriesSidecar(pod) && Boolean(pod.spec?.nodeName);
}
