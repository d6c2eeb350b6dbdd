import { createHash, createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

import type { CaKeyType } from '#core/model/ca-settings.ts';

/** Keys of workloads and of the authority. A private key leaves its process only where a function here writes it as PEM. */

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const generate = promisify(generateKeyPair);
const generateRsa: (type: 'rsa', options: { readonly modulusLength: number }) => Promise<KeyPair> =
  promisify(generateKeyPair);

/** A new EC P-256 key pair: what every TLS stack takes, and as fast as any other kind in Node. */
export async function generateKeys(): Promise<KeyPair> {
  return generate('ec', { namedCurve: 'prime256v1' });
}

/** A new key pair for an authority. RSA takes a while: 4096 bits a second or more. */
export async function generateAuthorityKeys(type: CaKeyType): Promise<KeyPair> {
  switch (type) {
    case 'ec-p256':
      return generateKeys();
    case 'ec-p384':
      return generate('ec', { namedCurve: 'secp384r1' });
    case 'rsa-2048':
      return generateRsa('rsa', { modulusLength: 2048 });
    case 'rsa-4096':
      return generateRsa('rsa', { modulusLength: 4096 });
  }
}

/** Which of the kinds for authorities a public key is; undefined for every other. */
export function caKeyType(publicKey: KeyObject): CaKeyType | undefined {
  const { asymmetricKeyType, asymmetricKeyDetails } = publicKey;
  if (asymmetricKeyType === 'rsa') {
    if (asymmetricKeyDetails?.modulusLength === 2048) return 'rsa-2048';
    return asymmetricKeyDetails?.modulusLength === 4096 ? 'rsa-4096' : undefined;
  }
  if (asymmetricKeyType !== 'ec') return undefined;
  if (asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ec-p256';
  return asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'ec-p384' : undefined;
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
