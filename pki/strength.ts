import { TAG, children, contentOf, oid } from './der.ts';

/**
 * Which keys and signatures are strong enough to be relied on, whatever the TLS library of this machine would take: 112 bits
 * (NIST SP 800-57 part 1), and only what is in use for certificates (RFC 5480, 8017, 8410).
 */

const MIN_RSA_BITS = 2048;

const EC_KEY = oid('1.2.840.10045.2.1');
const RSA_KEY = oid('1.2.840.113549.1.1.1');
const RSA_PSS = oid('1.2.840.113549.1.1.10');
const EDWARDS = [oid('1.3.101.112'), oid('1.3.101.113')];
/** P-256, P-384 and P-521. */
const CURVES = [oid('1.2.840.10045.3.1.7'), oid('1.3.132.0.34'), oid('1.3.132.0.35')];
/** RSA and ECDSA with SHA-256, SHA-384 or SHA-512, and Ed25519 and Ed448. */
const SIGNATURES = [
  ...['11', '12', '13'].map((last) => oid(`1.2.840.113549.1.1.${last}`)),
  ...['2', '3', '4'].map((last) => oid(`1.2.840.10045.4.3.${last}`)),
  ...EDWARDS,
];
const HASHES = ['1', '2', '3'].map((last) => oid(`2.16.840.1.101.3.4.2.${last}`));

/**
 * What is wrong with a public key, as the end of a sentence; undefined when it is strong.
 *
 * @param spki SubjectPublicKeyInfo, DER
 * @throws RangeError when it is not strict DER
 */
export function keyFault(spki: Uint8Array): string | undefined {
  const [algorithm = EMPTY, key = EMPTY] = children(TAG.sequence, spki);
  const [id = EMPTY, parameters = EMPTY] = children(TAG.sequence, algorithm);
  if (EC_KEY.equals(id))
    return isOneOf(CURVES, parameters)
      ? undefined
      : 'its key is on a curve other than P-256, P-384 and P-521';
  if (RSA_KEY.equals(id) || RSA_PSS.equals(id)) {
    const bits = rsaBits(key);
    return bits >= MIN_RSA_BITS
      ? undefined
      : `its RSA key has ${bits} bits, where at least ${MIN_RSA_BITS} are required`;
  }
  return isOneOf(EDWARDS, id) ? undefined : 'its key is neither RSA, EC nor Ed25519';
}

/**
 * What is wrong with the algorithm of a signature, as the end of a sentence; undefined when it is strong.
 *
 * @param algorithm AlgorithmIdentifier, DER
 * @throws RangeError when it is not strict DER
 */
export function signatureFault(algorithm: Uint8Array): string | undefined {
  const [id = EMPTY, parameters] = children(TAG.sequence, algorithm);
  if (isOneOf(SIGNATURES, id) || (RSA_PSS.equals(id) && parameters && isOneOf(HASHES, pssHash(parameters))))
    return undefined;
  return 'it is signed with an algorithm weaker than SHA-256';
}

/** The hash of RSASSA-PSS-params (RFC 4055, 3.1); where none is written it is SHA-1. */
function pssHash(parameters: Uint8Array): Uint8Array {
  const tagged = children(TAG.sequence, parameters).find(([tag]) => tag === TAG.context0);
  const [hash] = tagged ? children(TAG.context0, tagged) : [];
  const [id] = hash ? children(TAG.sequence, hash) : [];
  return id ?? EMPTY;
}

function rsaBits(key: Uint8Array): number {
  // BIT STRING { number of unused bits, RSAPublicKey }
  const [modulus = EMPTY] = children(TAG.sequence, contentOf(TAG.bitString, key).subarray(1));
  const bytes = contentOf(TAG.integer, modulus);
  const begin = bytes.findIndex((byte) => byte !== 0);
  return begin < 0 ? 0 : (bytes.length - begin) * 8 - (Math.clz32(bytes[begin] ?? 0) - 24);
}

function isOneOf(known: readonly Buffer[], id: Uint8Array): boolean {
  return known.some((one) => one.equals(id));
}

const EMPTY = new Uint8Array();
