import { TAG, children, contentOf } from './der.ts';

/** What Node does not tell of a certificate (RFC 5280, 4.1). Read without the X.509 library, which would take longer than a signature. */
export interface ParsedCertificate {
  /** How its issuer signed it: AlgorithmIdentifier, DER. */
  readonly signatureAlgorithm: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** By {@link extensionKey}. */
  readonly extensions: ReadonlyMap<string, Extension>;
}

interface Extension {
  /** Whether a verifier that does not know the extension must refuse the certificate. */
  readonly critical: boolean;
  /** DER. */
  readonly value: Uint8Array;
}

/** Position of the key in a TBSCertificate, behind serial number, signature, issuer, validity and subject; the version, where it is written, comes first. */
const SPKI_INDEX = 5;

/**
 * Takes a certificate apart.
 *
 * @param certificate DER
 * @throws RangeError when it is not strict DER, or has one extension twice (RFC 5280, 4.2).
 */
export function parseCertificate(certificate: Uint8Array): ParsedCertificate {
  const [tbs = EMPTY, signatureAlgorithm = EMPTY] = children(TAG.sequence, certificate);
  const parts = children(TAG.sequence, tbs);
  const spki = parts[SPKI_INDEX + (parts[0]?.[0] === TAG.context0 ? 1 : 0)] ?? EMPTY;
  const wrapped = parts.find(([tag]) => tag === TAG.context3);
  const [list] = wrapped ? children(TAG.context3, wrapped) : [];
  const extensions = new Map<string, Extension>();
  for (const part of list ? children(TAG.sequence, list) : []) {
    const [id = EMPTY, ...rest] = children(TAG.sequence, part);
    const key = extensionKey(id);
    if (extensions.has(key)) throw new RangeError('the certificate has one extension twice');
    extensions.set(key, extensionOf(rest));
  }
  return { signatureAlgorithm, spki, extensions };
}

/** What an extension is found by: its object identifier as `oid` writes it. */
export function extensionKey(oid: Uint8Array): string {
  return Buffer.from(oid.buffer, oid.byteOffset, oid.byteLength).toString('latin1');
}

function extensionOf(rest: readonly Uint8Array[]): Extension {
  const [first = EMPTY, second] = rest;
  const critical = second !== undefined && contentOf(TAG.boolean, first)[0] !== 0;
  return { critical, value: contentOf(TAG.octetString, second ?? first) };
}

const EMPTY = new Uint8Array();
