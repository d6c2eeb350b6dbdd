import type { Pod } from '#kube/types.ts';

import type { ObjectCache } from '../control-loop/cache.ts';
import { canonicalAddress } from '#core/net/address.ts';
import type { ReviewGateDeps } from './review-gate.ts';

/**
 * Whether a pod that is known here says the same as a token's claims, and the request comes from one of its addresses, where it has
 * any yet. For {@link ReviewGateDeps.isExpected}: it decides who waits, not who gets a certificate.
 *
 * @param pods injected pods, and registrations of processes outside of pods
 */
export function expectedCallers(pods: ObjectCache<Pod>): ReviewGateDeps['isExpected'] {
  return ({ namespace, podName, podUid }, sourceAddress) => {
    const pod = pods.get(`${namespace}/${podName}`);
    if (pod?.metadata.uid !== podUid) return false;
    const { podIP, podIPs = [] } = pod.status ?? {};
    const addresses = [podIP, ...podIPs.map(({ ip }) => ip)].filter((ip) => ip !== undefined && ip !== '');
    return addresses.length === 0 || addresses.some((ip) => canonicalAddress(ip ?? '') === sourceAddress);
  };
}
