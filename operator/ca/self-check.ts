import type { X509Certificate } from 'node:crypto';

import type { TrustDomain } from '#core/spiffe-id.ts';
import { spkiDer } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { leafFault } from '#pki/svid-constraints.ts';
import { validity } from '#pki/svid.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';

import type { CertificateRequest, SignedCertificate } from './provider.ts';

/** Looks at every certificate once more before it is handed out: a faulty provider must not be able to give anybody a wrong identity. */

export interface SelfCheckInput {
  readonly request: CertificateRequest;
  readonly signed: SignedCertificate;
  readonly bundle: TrustBundle;
  readonly trustDomain: TrustDomain;
  /** Unix time, milliseconds. */
  readonly now: number;
}

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const MIN_SERIAL_BYTES = 8;
/** How far another machine's clock may be ahead. */
const SKEW_MS = 5_000;

/** Why a certificate that was just signed must not be handed out; undefined when it is exactly what was asked for. */
export function selfCheckFault(input: SelfCheckInput): string | undefined {
  try {
    const [leaf, ...more] = readCertificates(input.signed.leafPem);
    if (!leaf || more.length > 0) return 'the provider returned no single leaf certificate';
    const checks = [keyFault, nameFault, usageFault, lifeFault, pathFault];
    for (const check of checks) {
      const fault = check(leaf, input);
      if (fault) return fault;
    }
    return undefined;
  } catch (error) {
    return `the provider's certificate cannot be read: ${(error as Error).message}`;
  }
}

type Check = (leaf: X509Certificate, input: SelfCheckInput) => string | undefined;

const keyFault: Check = (leaf, { request }) => {
  if (!spkiDer(leaf.publicKey).equals(request.spki)) return 'it certifies another key than the one asked for';
  if (leaf.serialNumber.length / 2 < MIN_SERIAL_BYTES)
    return `its serial number ${leaf.serialNumber} can be guessed`;
  return undefined;
};

const nameFault: Check = (leaf, { request }) => {
  const expected =
    request.kind === 'workload'
      ? `URI:${request.spiffeId}`
      : request.dnsNames.map((name) => `DNS:${name}`).join(', ');
  return leaf.subjectAltName === expected
    ? undefined
    : `its names are ${leaf.subjectAltName ?? 'missing'} instead of ${expected}`;
};

const usageFault: Check = (leaf, { request }) => {
  // Absent where there is none, whatever the type says.
  const purposes = [...((leaf.keyUsage as string[] | undefined) ?? [])].sort().join(' ');
  const expected = request.kind === 'workload' ? `${SERVER_AUTH} ${CLIENT_AUTH}` : SERVER_AUTH;
  if (purposes !== expected) return `its extended key usage is ${purposes || 'missing'}`;
  return leafFault(leaf);
};

const lifeFault: Check = (leaf, { request, now }) => {
  const { notBefore, notAfter } = validity(leaf);
  if (notBefore > now + SKEW_MS) return 'it is not valid yet';
  if (notAfter <= now) return 'it has ended already';
  return notAfter > now + request.ttlMs + SKEW_MS ? 'it lives longer than was asked for' : undefined;
};

const pathFault: Check = (leaf, { signed, bundle, trustDomain, now }) => {
  const intermediates = readCertificates(signed.intermediatesPem);
  const fault = bundle.fault(leaf, trustDomain, { now, intermediates });
  if (fault) return fault;
  const issuers = [...intermediates, ...bundle.rootsOf(trustDomain)].filter((issuer) =>
    leaf.checkIssued(issuer),
  );
  const outlived = issuers.every((issuer) => validity(issuer).notAfter < validity(leaf).notAfter);
  return outlived ? 'it outlives its issuer' : undefined;
};
