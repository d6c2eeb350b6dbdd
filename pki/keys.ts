import { createHash, createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** Keys of workloads and of the authority. A private key leaves its process only where a function here writes it as PEM. */

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const generate = promisify(generateKeyPair);

/** A new EC P-256 key pair: what every TLS stack takes, and as fast as any other kind in Node. */
export async function generateKeys(): Promise<KeyPair> {
  return generate('ec', { namedCurve: 'prime256v1' });
}

/** PKCS#8 PEM of a private key. Keep it in memory, or in the authority's Secret; never in a log. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}

/**
 * Reads a private key, PKCS#8 or SEC1 PEM.
 *
 * @throws RangeError when it cannot be read; the message never quotes the text.
 */
export function readPrivateKey(pem: string): KeyPair {
  try {
    const privateKey = createPrivateKey(pem);
    return { privateKey, publicKey: createPublicKey(privateKey) };
  } catch {
    throw new RangeError('the private key cannot be read: write it as PEM (PKCS#8 or SEC1), not encrypted');
  }
}

/** SubjectPublicKeyInfo of a public key, DER. */
export function spkiDer(publicKey: KeyObject): Buffer {
  return publicKey.export({ format: 'der', type: 'spki' });
}

/** The kinds of key a leaf may have. */
export type LeafKeyKind = 'P-256' | 'P-384' | 'Ed25519';

/** Which of the allowed kinds a public key is; undefined for every other (RSA, other curves, ...). */
export function leafKeyKind(publicKey: KeyObject): LeafKeyKind | undefined {
  if (publicKey.asymmetricKeyType === 'ed25519') return 'Ed25519';
  if (publicKey.asymmetricKeyType !== 'ec') return undefined;
  const curve = publicKey.asymmetricKeyDetails?.namedCurve;
  if (curve === 'prime256v1') return 'P-256';
  return curve === 'secp384r1' ? 'P-384' : undefined;
}

/** SHA-256 as lower-case hex. */
export function sha256Hex(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}
