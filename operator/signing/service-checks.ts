import { LABELS, OPERATOR_SERVICE } from '#core/constants.ts';
import { allowedServiceAccounts } from '#core/model/mesh-service.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { ServiceIdentity, SpiffeId, TrustDomain } from '#core/spiffe-id.ts';
import { isDnsLabel } from '#core/names.ts';
import type { NamespaceName, ServiceName } from '#core/names.ts';
import type { Pod } from '#kube/types.ts';
import type { CsrContents } from '#pki/csr-check.ts';
import { leafCommonName } from '#pki/profile.ts';

import type { Check } from './checks.ts';
import type { SigningRefusal } from './refusal.ts';
import type { Caller } from './token-checks.ts';

/**
 * Which service a pod may be. Labels say what it wants to be and grant nothing: only the MeshService of that name, in the
 * pod's own namespace, says which ServiceAccounts may.
 */

/**
 * The service a pod asks to be. The request may repeat the pod's label, never contradict it, nor may the label contradict the
 * service that the pod's sidecar was made for: a pod has one service, for its whole life.
 */
export function claimedService(
  pod: Pod,
  made: ServiceName | undefined,
  requested: string | undefined,
): ServiceIdentity | SigningRefusal {
  const label = pod.metadata.labels?.[LABELS.service];
  const namespace = pod.metadata.namespace ?? '';
  if (label === undefined || !isDnsLabel(label) || !isDnsLabel(namespace)) {
    return { reason: 'service-unnamed', message: `the pod's label ${LABELS.service} names no service` };
  }
  if (label !== made) {
    return {
      reason: 'service-mismatch',
      message: `the pod's label ${LABELS.service} says ${label}, its sidecar was made for ${made ?? 'none'}`,
    };
  }
  if (requested !== undefined && requested !== label) {
    return {
      reason: 'service-mismatch',
      message: `the request is for service ${requested}, the pod was injected as ${label}`,
    };
  }
  return { namespace: namespace as NamespaceName, service: label as ServiceName };
}

export interface ServiceFacts {
  readonly caller: Caller;
  readonly who: ServiceIdentity;
  /** Undefined when nobody defined it, or not yet. */
  readonly service: MeshService | undefined;
  readonly meshNamespace: string;
  readonly csr: Pick<CsrContents, 'requestedUri' | 'commonName'>;
  /** The identity `who` would get. */
  readonly spiffeId: SpiffeId;
  readonly trustDomain: TrustDomain;
}

/** The operator's own identity has rights in sidecars; no pod gets it here, whatever a MeshService says. */
const isNotReserved: Check<ServiceFacts> = ({ who, meshNamespace }) =>
  who.namespace === meshNamespace && who.service === OPERATOR_SERVICE
    ? {
        reason: 'service-reserved',
        message: `the service ${who.namespace}/${who.service} is the operator's own`,
      }
    : undefined;

const isDefined: Check<ServiceFacts> = ({ who, service }) =>
  service
    ? undefined
    : {
        reason: 'service-unknown',
        message: `there is no MeshService ${who.namespace}/${who.service} yet; the operator makes it for the first pod`,
        retryAfterMs: 1000,
      };

const isAllowed: Check<ServiceFacts> = ({ who, service, caller }) => {
  const allowed = service ? allowedServiceAccounts(service) : [];
  if (service?.metadata.namespace === caller.namespace && allowed.includes(caller.serviceAccount))
    return undefined;
  return {
    reason: 'service-account-not-allowed',
    message:
      `ServiceAccount ${caller.namespace}/${caller.serviceAccount} may not be service ${who.service}: ` +
      `MeshService ${who.namespace}/${who.service} allows [${allowed.join(', ')}]; ` +
      `write it into spec.serviceAccounts there, or name another service in the pod's annotation mesh/service`,
  };
};

const asksForItself: Check<ServiceFacts> = ({ csr, spiffeId, who, trustDomain }) => {
  if (csr.requestedUri !== undefined && csr.requestedUri !== spiffeId) {
    return {
      reason: 'csr-other-identity',
      message: `the certificate request asks for ${JSON.stringify(csr.requestedUri.slice(0, 300))} instead of ${spiffeId}`,
    };
  }
  const names: readonly (string | undefined)[] = [
    undefined,
    who.service,
    leafCommonName(who, trustDomain),
    spiffeId,
  ];
  return names.includes(csr.commonName)
    ? undefined
    : {
        reason: 'csr-other-identity',
        message: `the certificate request's subject is ${JSON.stringify(csr.commonName?.slice(0, 300))} instead of ${who.service}`,
      };
};

/** In the order they are asked. */
export const SERVICE_CHECKS: readonly Check<ServiceFacts>[] = [
  isNotReserved,
  isDefined,
  isAllowed,
  asksForItself,
];
