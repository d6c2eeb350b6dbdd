import type { X509Certificate } from 'node:crypto';

import { federationFaults } from '#core/model/federation-faults.ts';
import { federatedSchema } from '#core/model/federation.ts';
import type { BundleEndpoint, FederationStatus } from '#core/model/federation.ts';
import type { MeshConfig } from '#core/model/mesh-config.ts';
import { parseSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import { readCertificates } from '#pki/pem.ts';
import { readWrittenBundle } from '#pki/spiffe-bundle.ts';
import { trustBundleOf } from '#pki/trust-bundle.ts';

import { endpointId } from './plan.ts';

/** A trust domain whose bundle is fetched, as the spec has it. */
export interface Foreign {
  readonly trustDomain: string;
  readonly endpoint: BundleEndpoint;
  /** {@link endpointId} */
  readonly source: string;
}

/** Those that can be asked: an entry that is wrong is told of in the condition Accepted. */
export function foreignDomains(
  { spec }: MeshConfig,
  { trustDomain: own }: IdentityScope,
): readonly Foreign[] {
  const entries = (spec?.federation ?? []).flatMap((entry) => federatedSchema.safeParse(entry).data ?? []);
  const faults = federationFaults(entries, own);
  return entries.flatMap(({ trustDomain, bundleEndpoint: endpoint }, index) => {
    const place = `spec.federation[${index}]`;
    if (!endpoint || faults.some(({ field }) => field === place || field.startsWith(`${place}.`))) return [];
    return [{ trustDomain, endpoint, source: endpointId(endpoint) }];
  });
}

/** Every trust domain that is said to have an endpoint: what was fetched of it holds while its entry is wrong. */
export function fetchedDomains({ spec }: MeshConfig): readonly string[] {
  const names = (spec?.federation ?? []).flatMap((entry) =>
    entry.bundleEndpoint ? [entry.trustDomain] : [],
  );
  return [...new Set(names)];
}

/**
 * Whom to trust about an endpoint of https_spiffe (SPIFFE Federation, 5.2.2.4): the last bundle that came from it, the written one
 * before the first, and for an endpoint of another trust domain what is known of that one.
 *
 * @throws Error when there is nobody
 */
export function endpointAuthorities(
  config: MeshConfig,
  { trustDomain, endpoint, source }: Foreign,
  known: FederationStatus | undefined,
): readonly X509Certificate[] {
  if (endpoint.profile !== 'https_spiffe') return [];
  const home = parseSpiffeId(endpoint.endpointSpiffeId ?? '')?.trustDomain;
  if (home !== undefined && home !== trustDomain) {
    const found = trustBundleOf(config).bundle.rootsOf(home);
    if (found.length > 0) return found;
    throw new Error(`no bundle of ${home} is known, by which the endpoint would be checked`);
  }
  const latest = known?.endpoint === source ? known.bundle : undefined;
  const found = latest === undefined ? readWrittenBundle(endpoint.bundle ?? '') : readCertificates(latest);
  if (found.length > 0) return found;
  throw new Error(
    'it has taken its keys back, so its endpoint cannot be checked any more; write a new bundle into bundleEndpoint.bundle',
  );
}
