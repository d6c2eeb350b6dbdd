import { randomBytes } from 'node:crypto';
import type { webcrypto } from 'node:crypto';

import type { CaKeyType } from '#core/model/ca-settings.ts';

import { TAG, der, oid } from './der.ts';

/**
 * Writes certificates (RFC 5280, 4.1), for those that are made in thousands: the X.509 library reads back every part that it has
 * written, which takes ten times as long as the signature. What the parts say is in `profile.ts`.
 */

/** What a certificate says. */
export interface CertificateFields {
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Name of whoever signs, DER. */
  readonly issuer: Uint8Array;
  /** The subject's only name. */
  readonly commonName: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Each as {@link extension} makes it. */
  readonly extensions: readonly Uint8Array[];
}

/** The key that signs, and how. */
export interface SigningKey {
  readonly key: webcrypto.CryptoKey;
  readonly keyType: CaKeyType;
  /** What signs with `key`. */
  readonly crypto: Pick<webcrypto.Crypto, 'subtle'>;
}

const COMMON_NAME = '2.5.4.3';

/** How each kind signs: with the hash of its own strength. */
export const ALGORITHMS = {
  'ec-p256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'ec-p384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'rsa-2048': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  'rsa-4096': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const satisfies Record<CaKeyType, object>;

/** The same as certificates name them (RFC 5758, 3.2; RFC 4055, 5). */
const SHA256_WITH_RSA = der(TAG.sequence, oid('1.2.840.113549.1.1.11'), der(TAG.null));
const IDENTIFIERS: Readonly<Record<CaKeyType, Buffer>> = {
  'ec-p256': der(TAG.sequence, oid('1.2.840.10045.4.3.2')),
  'ec-p384': der(TAG.sequence, oid('1.2.840.10045.4.3.3')),
  'rsa-2048': SHA256_WITH_RSA,
  'rsa-4096': SHA256_WITH_RSA,
};

const VERSION_3 = der(TAG.context0, der(TAG.integer, Buffer.from([2])));

/**
 * A signed certificate with a random serial number of 128 bits.
 *
 * @returns DER
 */
export async function writeCertificate(fields: CertificateFields, signer: SigningKey): Promise<Buffer> {
  const algorithm = IDENTIFIERS[signer.keyType];
  const commonName = der(TAG.utf8String, Buffer.from(fields.commonName, 'utf8'));
  const contents = der(
    TAG.sequence,
    VERSION_3,
    unsigned(randomBytes(16)),
    algorithm,
    fields.issuer,
    der(TAG.sequence, time(fields.notBefore), time(fields.notAfter)),
    der(TAG.sequence, der(TAG.set, der(TAG.sequence, oid(COMMON_NAME), commonName))),
    fields.spki,
    der(TAG.context3, der(TAG.sequence, ...fields.extensions)),
  );
  const signature = await signatureOf(contents, signer);
  return der(TAG.sequence, contents, algorithm, der(TAG.bitString, Buffer.from([0]), signature));
}

/** An extension whose value is `value`, DER. */
export function extension(id: string, value: Uint8Array): Buffer {
  return der(TAG.sequence, oid(id), der(TAG.octetString, value));
}

async function signatureOf(contents: Buffer, { key, keyType, crypto }: SigningKey): Promise<Buffer> {
  const signature = Buffer.from(await crypto.subtle.sign(ALGORITHMS[keyType], key, contents));
  if (!keyType.startsWith('ec-')) return signature;
  // Web Crypto writes the two numbers one after the other (IEEE P1363), certificates as a sequence (RFC 3279, 2.2.3).
  const half = signature.length / 2;
  return der(TAG.sequence, unsigned(signature.subarray(0, half)), unsigned(signature.subarray(half)));
}

/** A number of no sign in its shortest form: a zero byte in front only where the first bit is set. */
function unsigned(bytes: Buffer): Buffer {
  const begin = bytes.findIndex((byte) => byte !== 0);
  const short = begin < 0 ? Buffer.from([0]) : bytes.subarray(begin);
  return der(TAG.integer, ...((short[0] ?? 0) > 0x7f ? [Buffer.from([0])] : []), short);
}

/** Two digits of the year until 2049 (RFC 5280, 4.1.2.5). */
function time(at: Date): Buffer {
  const text = at.toISOString().replace(/[-:T]|\.\d{3}/g, '');
  return at.getUTCFullYear() < 2050
    ? der(TAG.utcTime, Buffer.from(text.slice(2)))
    : der(TAG.generalizedTime, Buffer.from(text));
}
