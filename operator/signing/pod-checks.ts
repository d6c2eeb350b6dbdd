import { canonicalAddress } from '#core/net/address.ts';

import { LABELS } from '#core/constants.ts';
import type { Pod } from '#kube/types.ts';

import { claimOf, isPlaced } from '../resources/member.ts';
import type { MemberRules } from '../resources/member.ts';
import { isRegistration } from '../resources/pod.ts';
import type { Check } from './checks.ts';
import type { Caller } from './token-checks.ts';

/** What is asked about the pod a token names: is it there, is it that very pod, and does it speak itself? */
export interface PodFacts {
  readonly caller: Caller;
  /** As the API server has it now; undefined when it has none of that name. */
  readonly pod: Pod | undefined;
  /** Where the request came from. */
  readonly sourceAddress: string;
  /** `log` where the network changes source addresses on the way to the operator. */
  readonly sourceAddressCheck: 'enforce' | 'log';
  /** Whose requests are taken at this port: those of pods, or those of processes outside of pods. */
  readonly callers: Callers;
  readonly address: MemberRules['address'];
}

/** The port for machines outside can be reached from where no pod is, so nothing that was stolen from a pod is of use there. */
export type Callers = 'pods' | 'outside';

const NO_ADDRESS_RETRY_MS = 1_000;

const exists: Check<PodFacts> = ({ caller, pod }) =>
  pod
    ? undefined
    : {
        reason: 'pod-gone',
        message: `there is no pod ${caller.namespace}/${caller.podName}; its token outlived it`,
      };

const isTheSame: Check<PodFacts> = ({ caller, pod }) =>
  pod?.metadata.uid === caller.podUid
    ? undefined
    : {
        reason: 'pod-uid',
        message: `pod ${caller.namespace}/${caller.podName} has UID ${pod?.metadata.uid ?? ''}, the token is for ${caller.podUid}: another pod of the same name`,
      };

const runsAs: Check<PodFacts> = ({ caller, pod }) => {
  const account = pod?.spec?.serviceAccountName ?? 'default';
  return account === caller.serviceAccount
    ? undefined
    : {
        reason: 'pod-service-account',
        message: `the pod runs as ServiceAccount ${account}, the token is for ${caller.serviceAccount}`,
      };
};

/** A pod that is being deleted may still renew: it serves until it is drained. */
const isNotTerminal: Check<PodFacts> = ({ pod }) =>
  pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed'
    ? { reason: 'pod-ended', message: `the pod has ended (${pod.status.phase})` }
    : undefined;

/** Each kind of member has a port of its own. */
const connectedToItsPort: Check<PodFacts> = ({ pod, callers }) => {
  const isOutside = pod !== undefined && isRegistration(pod);
  if (callers === 'outside' && !(isOutside && sourceAddressUnknown(pod) === undefined))
    return {
      reason: 'pod-not-outside',
      message: `the pod stands for no process outside of pods (label ${LABELS.run}, its scheduler's name, no node, an address); the port for those takes no other`,
    };
  if (callers === 'pods' && isOutside)
    return {
      reason: 'pod-outside',
      message:
        'the pod only stands for a process outside of pods; those are served at the port for machines outside',
    };
  return undefined;
};

/** Labels grant nothing: the spec, which cannot be changed, has our sidecar. */
const isMember: Check<PodFacts> = ({ pod, callers }) => {
  const claim = pod && claimOf(pod, { outside: callers === 'outside' });
  return claim && 'fault' in claim
    ? { reason: 'pod-not-injected', message: `the pod is not a member of the mesh: ${claim.fault}` }
    : undefined;
};

/** A token can be made for a pod that never runs; its address is the kubelet's word that it does. */
const hasAddress: Check<PodFacts> = ({ pod, callers, address }) => {
  const claim = pod && claimOf(pod, { outside: callers === 'outside' });
  if (!claim || 'fault' in claim || isPlaced(pod, claim, { address })) return undefined;
  return {
    reason: 'pod-no-address',
    message: 'the API server does not know an address of the pod yet',
    retryAfterMs: NO_ADDRESS_RETRY_MS,
  };
};

const requestedByPodItself: Check<PodFacts> = (facts) => {
  if (facts.sourceAddressCheck === 'log' || sourceAddressFault(facts) === undefined) return undefined;
  return { reason: 'source-address', message: sourceAddressFault(facts) ?? '' };
};

/** In the order they are asked. */
export const POD_CHECKS: readonly Check<PodFacts>[] = [
  exists,
  isTheSame,
  runsAs,
  isNotTerminal,
  connectedToItsPort,
  isMember,
  hasAddress,
  requestedByPodItself,
];

/** How the source address does not fit the pod; undefined when it does, or when nothing can be said about it. */
export function sourceAddressFault({
  pod,
  sourceAddress,
}: Pick<PodFacts, 'pod' | 'sourceAddress'>): string | undefined {
  if (sourceAddressUnknown(pod) !== undefined) return undefined;
  const own = podAddresses(pod);
  return own.includes(canonicalAddress(sourceAddress))
    ? undefined
    : `the request came from ${sourceAddress}, the pod's addresses are ${own.join(', ')}`;
}

/** Why the source address says nothing about this pod; undefined when it does. */
export function sourceAddressUnknown(pod: Pod | undefined): string | undefined {
  if (pod?.spec?.hostNetwork) return "the pod uses its node's network";
  return podAddresses(pod).length === 0 ? 'the pod has no address yet' : undefined;
}

function podAddresses(pod: Pod | undefined): readonly string[] {
  const { podIP, podIPs } = pod?.status ?? {};
  const all = [...(podIPs ?? []).map(({ ip }) => ip), podIP];
  return [
    ...new Set(all.filter((ip): ip is string => typeof ip === 'string' && ip !== '').map(canonicalAddress)),
  ];
}
