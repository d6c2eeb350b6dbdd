import { isDnsLabel } from './names.ts';
import type { NamespaceName, ServiceName } from './names.ts';

/**
 * SPIFFE IDs, strictly read. Whatever is not exactly in the form of the SPIFFE-ID standard (2.1 trust domain, 2.2 path)
 * is refused: percent-encoding, empty or dot segments, ports, user info, queries and a trailing slash are ways around rules.
 */

declare const brand: unique symbol;

/** A SPIFFE ID that was read by {@link parseSpiffeId}, in its one canonical spelling. */
export type SpiffeId = string & { readonly [brand]: 'SpiffeId' };

/** The host part of a SPIFFE ID, lower case. */
export type TrustDomain = string & { readonly [brand]: 'TrustDomain' };

/** Who a service is: where it lives and its logical name. */
export interface ServiceIdentity {
  readonly namespace: NamespaceName;
  readonly service: ServiceName;
}

/** The parts that make a service's SPIFFE ID unique to one mesh. */
export interface IdentityScope {
  readonly trustDomain: TrustDomain;
  readonly datacenter: string;
}

export const TRUST_DOMAIN_PATTERN = '^[a-z0-9]([-a-z0-9_.]{0,253}[a-z0-9])?$';
const TRUST_DOMAIN = new RegExp(TRUST_DOMAIN_PATTERN);
export const SPIFFE_ID_PATTERN = '^spiffe://[a-z0-9][-a-z0-9_.]*(/[-a-zA-Z0-9._]+)+$';
const PATH_SEGMENT = /^[-a-zA-Z0-9._]+$/;
const MAX_LENGTH = 2048;

/**
 * Reads a trust domain name.
 *
 * @throws RangeError saying what is wrong.
 */
export function trustDomain(text: string): TrustDomain {
  if (!TRUST_DOMAIN.test(text)) {
    throw new RangeError(
      `trust domain ${JSON.stringify(text)}: write a lower-case DNS name such as "cluster.local"`,
    );
  }
  return text as TrustDomain;
}

/** Reads a SPIFFE ID with a path; undefined when `text` is anything else. Never throws: the text comes from a peer. */
export function parseSpiffeId(
  text: string,
): { id: SpiffeId; trustDomain: TrustDomain; path: string } | undefined {
  if (text.length > MAX_LENGTH || !text.startsWith('spiffe://')) return undefined;
  const rest = text.slice('spiffe://'.length);
  const slash = rest.indexOf('/');
  if (slash < 1) return undefined;
  const domain = rest.slice(0, slash);
  const segments = rest.slice(slash + 1).split('/');
  if (!TRUST_DOMAIN.test(domain)) return undefined;
  if (!segments.every((segment) => PATH_SEGMENT.test(segment) && segment !== '.' && segment !== '..'))
    return undefined;
  return { id: text as SpiffeId, trustDomain: domain as TrustDomain, path: rest.slice(slash) };
}

/** The SPIFFE ID of a service: `spiffe://<trust-domain>/ns/<namespace>/dc/<datacenter>/svc/<service>`, Consul's own form. */
export function serviceSpiffeId(scope: IdentityScope, who: ServiceIdentity): SpiffeId {
  return `spiffe://${scope.trustDomain}/ns/${who.namespace}/dc/${scope.datacenter}/svc/${who.service}` as SpiffeId;
}

/**
 * The service a SPIFFE ID names, when it is one of this very mesh (same trust domain and datacenter, service form);
 * undefined for every other, so that a foreign identity can never pass for a local service.
 */
export function localService(scope: IdentityScope, id: SpiffeId): ServiceIdentity | undefined {
  const prefix = `spiffe://${scope.trustDomain}/ns/`;
  if (!id.startsWith(prefix)) return undefined;
  const [namespace, dc, datacenter, svc, service, ...more] = id.slice(prefix.length).split('/');
  if (dc !== 'dc' || svc !== 'svc' || datacenter !== scope.datacenter || more.length > 0) return undefined;
  if (!namespace || !service || !isDnsLabel(namespace) || !isDnsLabel(service)) return undefined;
  return { namespace: namespace as NamespaceName, service: service as ServiceName };
}
