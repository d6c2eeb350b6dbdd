import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';

import { CaStateError } from '../provider.ts';

/** One-time tokens of a JWK provisioner (RFC 7519, ES256): they say which names a certificate must have. */

/** How long a token is good for, in seconds; it is used at once. */
const LIFE_S = 300;
/** For clocks that are behind, in seconds. */
const BACKDATE_S = 60;

export interface ProvisionerKey {
  readonly key: KeyObject;
  /** RFC 7638, which is how step names its keys unless told otherwise. */
  readonly thumbprint: string;
}

export interface TokenClaims {
  /** Name of the provisioner. */
  readonly issuer: string;
  /** `https://<name of the authority>/1.0/sign` */
  readonly audience: string;
  /** Common name of the certificate. */
  readonly subject: string;
  readonly names: readonly string[];
  /** What the certificate is for; the provisioner's template turns it into key usages. */
  readonly use: 'workload' | 'serving';
}

/**
 * Reads the private key of a provisioner: a JWK, or PEM. Not encrypted.
 *
 * @param where for errors
 * @throws CaStateError when it is not a valid EC P-256 key; never quotes it
 */
export function readProvisionerKey(text: string, where: string): ProvisionerKey {
  let key: KeyObject;
  try {
    key = text.startsWith('{')
      ? createPrivateKey({ key: JSON.parse(text) as JsonWebKey, format: 'jwk' })
      : createPrivateKey(text);
  } catch {
    throw new CaStateError(
      `${where}: provisioner-key cannot be read; write a private JWK or PEM, not encrypted`,
    );
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new CaStateError(`${where}: provisioner-key is not a valid EC P-256 key`);
  return { key, thumbprint: thumbprint(createPublicKey(key).export({ format: 'jwk' })) };
}

/** RFC 7638 of an EC key, SHA-256, base64url. */
export function thumbprint({ crv, kty, x, y }: JsonWebKey): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
}

/**
 * A signed token.
 *
 * @param kid the key's name at the authority
 * @param now Unix time, milliseconds
 */
export function signToken({ key }: ProvisionerKey, kid: string, claims: TokenClaims, now: number): string {
  const seconds = Math.floor(now / 1000);
  const header = { alg: 'ES256', typ: 'JWT', kid };
  const body = {
    iss: claims.issuer,
    aud: claims.audience,
    sub: claims.subject,
    sans: claims.names,
    mesh: claims.use,
    jti: randomBytes(16).toString('hex'),
    // Not in the past: step-ca refuses what was made before it started.
    iat: seconds,
    nbf: seconds - BACKDATE_S,
    exp: seconds + LIFE_S,
  };
  const signed = `${base64url(header)}.${base64url(body)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
