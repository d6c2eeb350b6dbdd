import type { X509Certificate } from 'node:crypto';

import { TAG, children, contentOf, oid } from './der.ts';
import { permitsTrustDomain } from './name-constraints.ts';
import { extensionKey, parseCertificate } from './parsed-certificate.ts';
import type { ParsedCertificate } from './parsed-certificate.ts';
import { keyFault, signatureFault } from './strength.ts';

/**
 * What a certificate must be to take part in an X509-SVID (SPIFFE X509-SVID, 4 and 5.2), beyond what TLS looks at: the TLS library
 * takes a CA certificate for a workload's where only its key usage says so, and a CA certificate without a key usage.
 */

/** Bits of the first byte of a KeyUsage (RFC 5280, 4.2.1.3). */
const KEY_USAGE = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 } as const;

const id = (dotted: string): string => extensionKey(oid(dotted));
const BASIC_CONSTRAINTS = id('2.5.29.19');
const NAME_CONSTRAINTS = id('2.5.29.30');
const KEY_USAGE_ID = id('2.5.29.15');
/** Extensions that may be critical, since they are processed here, by TLS, or restrict nothing that we use (RFC 5280, 4.2). */
const KNOWN = new Set([
  ...[BASIC_CONSTRAINTS, NAME_CONSTRAINTS, KEY_USAGE_ID],
  // Subject alternative name, extended key usage, and the four about policies.
  ...['2.5.29.17', '2.5.29.37', '2.5.29.32', '2.5.29.33', '2.5.29.36', '2.5.29.54'].map(id),
]);
const ANY_PURPOSE = '2.5.29.37.0';
const BOTH_ENDS = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];

/** What a certificate says about signing others. */
export interface SigningConstraints {
  /** How many CA certificates may stand between it and a leaf (RFC 5280, 4.2.1.9); Infinity where nothing limits that. */
  readonly pathLength: number;
  /** Whether its name constraints let it sign for a trust domain. */
  permits(trustDomain: string): boolean;
}

/** Why a certificate cannot be a workload's, as a sentence about "it"; undefined when it can. Never throws. */
export function leafFault(certificate: X509Certificate): string | undefined {
  return guarded(() => {
    const parsed = parseCertificate(certificate.raw);
    const usage = keyUsage(parsed);
    if (basicConstraints(parsed).ca) return 'it is the certificate of a CA, not of a workload';
    if ((usage & (KEY_USAGE.keyCertSign | KEY_USAGE.cRLSign)) !== 0)
      return "its key may sign certificates, as no workload's may";
    if ((usage & KEY_USAGE.digitalSignature) === 0) return 'its key usage lacks digitalSignature';
    return signatureFault(parsed.signatureAlgorithm) ?? commonFault(parsed);
  });
}

/** Why a certificate cannot be that of a root or intermediate, as a sentence about "it"; undefined when it can. Never throws. */
export function signingFault(certificate: X509Certificate): string | undefined {
  const read = signing(certificate);
  return typeof read === 'string' ? read : undefined;
}

/** @returns undefined where {@link signingFault} says why */
export function signingConstraints(certificate: X509Certificate): SigningConstraints | undefined {
  const read = signing(certificate);
  return typeof read === 'string' ? undefined : read;
}

/** Why the signature under a certificate is not relied on, as a sentence about "it"; undefined when it is. Never throws. */
export function weakSignature(certificate: X509Certificate): string | undefined {
  return guarded(() => signatureFault(parseCertificate(certificate.raw).signatureAlgorithm));
}

/** Roots are looked at again with every peer of a federated mesh. */
const known = new WeakMap<X509Certificate, SigningConstraints | string>();

function signing(certificate: X509Certificate): SigningConstraints | string {
  const before = known.get(certificate);
  if (before !== undefined) return before;
  let found: SigningConstraints | string = UNREADABLE;
  try {
    found = readSigning(certificate);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  known.set(certificate, found);
  return found;
}

function readSigning(certificate: X509Certificate): SigningConstraints | string {
  const parsed = parseCertificate(certificate.raw);
  const { ca, pathLength } = basicConstraints(parsed);
  if (!ca) return 'it is not a CA certificate (CA:TRUE is missing)';
  if ((keyUsage(parsed) & KEY_USAGE.keyCertSign) === 0)
    return 'it is a CA certificate whose key usage lacks keyCertSign';
  // Absent where there is none, whatever the type says.
  const purposes = certificate.keyUsage as readonly string[] | undefined;
  if (purposes && !purposes.includes(ANY_PURPOSE) && !BOTH_ENDS.every((one) => purposes.includes(one)))
    return 'it is a CA certificate for other purposes than both ends of a TLS connection';
  const fault = commonFault(parsed);
  if (fault !== undefined) return fault;
  const names = parsed.extensions.get(NAME_CONSTRAINTS)?.value;
  // Read once here, so that what cannot be read is a fault and not a surprise later.
  if (names) permitsTrustDomain(names, '');
  return {
    pathLength,
    permits: (trustDomain) => names === undefined || permitsTrustDomain(names, trustDomain),
  };
}

function commonFault({ spki, extensions }: ParsedCertificate): string | undefined {
  for (const [key, { critical }] of extensions)
    if (critical && !KNOWN.has(key)) return 'it has a critical extension that is not known here';
  return keyFault(spki);
}

/** The first byte of the key usage; 0 where there is none. */
function keyUsage({ extensions }: ParsedCertificate): number {
  const extension = extensions.get(KEY_USAGE_ID);
  // BIT STRING { number of unused bits, first byte, ... }
  return extension ? (contentOf(TAG.bitString, extension.value)[1] ?? 0) : 0;
}

function basicConstraints({ extensions }: ParsedCertificate): {
  readonly ca: boolean;
  readonly pathLength: number;
} {
  const extension = extensions.get(BASIC_CONSTRAINTS);
  const parts = extension ? children(TAG.sequence, extension.value) : [];
  const first = parts[0];
  const ca = first?.[0] === TAG.boolean && contentOf(TAG.boolean, first)[0] !== 0;
  const length = parts.find(([tag]) => tag === TAG.integer);
  return { ca, pathLength: length ? numberOf(contentOf(TAG.integer, length)) : Infinity };
}

/** Of one byte, as path lengths are; a longer or negative one permits nothing. */
function numberOf(bytes: Uint8Array): number {
  const [only = 0x80] = bytes;
  return bytes.length === 1 && only < 0x80 ? only : 0;
}

const UNREADABLE = 'it cannot be read as strict DER, or has one extension twice';

function guarded(read: () => string | undefined): string | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return UNREADABLE;
    throw error;
  }
}
