import { X509Certificate } from 'node:crypto';

import { LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';
import type { Secret } from '#kube/types.ts';
import { sha256Hex } from '#pki/keys.ts';
import { pemBlock } from '#pki/pem.ts';
import { readSigner } from '#pki/profile.ts';
import type { Signer } from '#pki/profile.ts';

import { CaStateError } from './provider.ts';
import { isSelfSigned } from './self-signed.ts';

/** How the builtin authority's root and key stand in their Secret. Pure. */

/** The root that is in use. */
export const CA_SECRET_NAME = 'mesh-ca';
/** The root that a rotation brings, until it takes the other's place. */
export const NEXT_CA_SECRET_NAME = 'mesh-ca-next';
const CERTIFICATE = 'root.crt';
const KEY = 'root.key';

/** The Secret of a new authority. */
export function caSecret(
  namespace: string,
  root: { readonly certificatePem: string; readonly keyPem: string },
  owner: OwnerReference | undefined,
  name: string = CA_SECRET_NAME,
): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      labels: { [LABELS.managedBy]: MANAGED_BY_VALUE },
      ...(owner ? { ownerReferences: [owner] } : {}),
    },
    type: 'Opaque',
    data: { [CERTIFICATE]: base64(root.certificatePem), [KEY]: base64(root.keyPem) },
  };
}

/**
 * Reads the authority's Secret, with nothing taken on trust.
 *
 * @param now milliseconds since 1970
 * @throws CaStateError that says what is wrong and what to do; no message quotes the key.
 */
export async function readCaSecret(secret: Secret, domain: TrustDomain, now: number): Promise<Signer> {
  const where = `Secret ${secret.metadata.namespace ?? ''}/${secret.metadata.name}`;
  try {
    const certificatePem = text(secret, CERTIFICATE);
    const signer = await readSigner(certificatePem, text(secret, KEY));
    const fault = rootFault(new X509Certificate(pemBlock('CERTIFICATE', certificatePem)), domain, now);
    if (fault) throw new RangeError(fault);
    return signer;
  } catch (error) {
    throw new CaStateError(
      `the mesh's certificate authority cannot start: ${where} is broken: ${(error as Error).message}. ` +
        'Restore it from a backup. Only if none exists: delete it and the MeshConfig, restart the operator, which then makes ' +
        'a new root, and restart every meshed pod.',
    );
  }
}

function rootFault(root: X509Certificate, domain: TrustDomain, now: number): string | undefined {
  const name = `URI:spiffe://${domain}`;
  if (root.subjectAltName !== name) {
    return `${CERTIFICATE} is for ${JSON.stringify(root.subjectAltName ?? '')}, but the mesh's trust domain is ${domain}`;
  }
  if (!isSelfSigned(root)) return `${CERTIFICATE} is not signed by its own key`;
  if (now > Date.parse(root.validTo)) return `${CERTIFICATE} ended on ${root.validTo}`;
  return undefined;
}

/** Whether both hold the same root and key. */
export function holdsSameRoot(one: Secret, other: Secret): boolean {
  return [CERTIFICATE, KEY].every((field) => one.data?.[field] === other.data?.[field]);
}

/** SHA-256 of the root certificate (DER), lower-case hex; undefined when none can be read. */
export function rootIdOf(secret: Secret): string | undefined {
  try {
    return sha256Hex(pemBlock('CERTIFICATE', text(secret, CERTIFICATE)));
  } catch {
    return undefined;
  }
}

/** A Secret that holds another one's root and key. */
export function withRootOf(secret: Secret, source: Secret): Secret {
  const { [CERTIFICATE]: certificate = '', [KEY]: key = '' } = source.data ?? {};
  return { ...secret, data: { [CERTIFICATE]: certificate, [KEY]: key } };
}

function text(secret: Secret, field: string): string {
  const value = secret.data?.[field];
  if (typeof value !== 'string' || value === '') throw new RangeError(`its field ${field} is missing`);
  return Buffer.from(value, 'base64').toString('utf8');
}

function base64(value: string): string {
  return Buffer.from(value, 'utf8').toString('base64');
}
