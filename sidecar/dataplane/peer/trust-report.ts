import type { X509Certificate } from 'node:crypto';

import type { TrustDomain } from '#core/spiffe-id.ts';
import { readCertificates } from '#pki/pem.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import type { AdmittedPeer } from './admit.ts';
import type { IdentitySnapshot } from '../interfaces/identity-source.ts';

/** What a sidecar tells the operator about roots, so that none is taken away too early. Roots by id: SHA-256, lower-case hex. */
export interface TrustReport {
  /** Roots of our own trust domain that this sidecar trusts. */
  readonly roots: readonly string[];
  /** Those without which its own certificate, or a connection that is open, would be trusted no longer. */
  readonly leans: readonly string[];
}

/** Looking at thousands of peers must not stop their bytes: a pause after each so many. */
const CHUNK = 64;

/**
 * Which roots a sidecar cannot do without now.
 *
 * @param peers of every open connection; the same one may come often
 * @param now Unix time, milliseconds
 */
export async function trustReport(
  { svid, bundle }: IdentitySnapshot,
  domain: TrustDomain,
  peers: Iterable<AdmittedPeer>,
  now: number,
): Promise<TrustReport> {
  const roots = bundle.rootsOf(domain);
  const [leaf, ...intermediates] = readCertificates(svid.certChainPem);
  const distinct = new Set(peers);
  const leans: string[] = [];
  for (const root of roots) {
    const others = without(bundle, domain, root);
    const ownFault = leaf && others.fault(leaf, domain, { now, intermediates });
    if (ownFault || (await anyLost(distinct, bundle, others, now))) leans.push(idOf(root));
  }
  return { roots: roots.map(idOf), leans };
}

/** A peer that is trusted no longer in any case leans on nothing. */
async function anyLost(
  peers: ReadonlySet<AdmittedPeer>,
  bundle: TrustBundle,
  others: TrustBundle,
  now: number,
): Promise<boolean> {
  let looked = 0;
  for (const peer of peers) {
    if (peer.fault(others, now) && !peer.fault(bundle, now)) return true;
    if (++looked % CHUNK === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}

function without(bundle: TrustBundle, domain: TrustDomain, root: X509Certificate): TrustBundle {
  const left = bundle.rootsOf(domain).filter((other) => other !== root);
  return new TrustBundle(
    new Map(bundle.trustDomains.map((each) => [each, each === domain ? left : bundle.rootsOf(each)])),
  );
}

function idOf(root: X509Certificate): string {
  return root.fingerprint256.replaceAll(':', '').toLowerCase();
}
