import type { Pod } from '#kube/types.ts';

import { memberOf } from '../../resources/member.ts';
import type { MemberRules } from '../../resources/member.ts';
import { isRegistration, podAddresses, podService } from '../../resources/pod.ts';

/**
 * Whether a pod is an instance of its service on more than its author's word: its spec has our sidecar for the very service that
 * its label names, and the kubelet, which alone writes a pod's status, has given it an address of its own. Pure.
 *
 * @param isProven whether a process outside of pods has shown that it is where its registration says
 */
export function isVouched(pod: Pod, rules: MemberRules, isProven: (registration: Pod) => boolean): boolean {
  const member = memberOf(pod, rules);
  if (!member || member.service !== podService(pod) || podAddresses(pod).length === 0) return false;
  return isRegistration(pod) ? isProven(pod) : Boolean(pod.spec?.nodeName);
}
