import type { X509Certificate } from 'node:crypto';

import { LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';
import type { Secret } from '#kube/types.ts';
import { sha256Hex } from '#pki/keys.ts';
import { certificatesPem, pemBlock, readCertificates } from '#pki/pem.ts';
import { readSigner } from '#pki/profile.ts';
import type { Signer } from '#pki/profile.ts';
import { signingFault } from '#pki/svid-constraints.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import { CaStateError } from './provider.ts';
import { isSelfSigned } from './self-signed.ts';

/** How the builtin authority's root and key stand in their Secret. Pure. */

/** The root that is in use. */
export const CA_SECRET_NAME = 'mesh-ca';
/** The root that a rotation brings, until it takes the other's place. */
export const NEXT_CA_SECRET_NAME = 'mesh-ca-next';
const CERTIFICATE = 'root.crt';
const KEY = 'root.key';
/** Where the root's key is elsewhere: what signs instead, with whatever is between it and the root. */
const INTERMEDIATE = 'intermediate.crt';
const INTERMEDIATE_KEY = 'intermediate.key';

/** An authority as its Secret holds it. */
export interface StoredAuthority {
  readonly rootPem: string;
  /** The root itself, or an intermediate under it. */
  readonly signer: Signer;
  /** What leads from leaves to the root, the signer's first; empty where the root signs. */
  readonly intermediatesPem: string;
}

/** The Secret of a new authority. */
export function caSecret(
  namespace: string,
  root: { readonly certificatePem: string; readonly keyPem: string },
  owner: OwnerReference | undefined,
  name: string = CA_SECRET_NAME,
): Secret {
  return {
    ...emptySecret(namespace, owner, name),
    data: { [CERTIFICATE]: base64(root.certificatePem), [KEY]: base64(root.keyPem) },
  };
}

function emptySecret(namespace: string, owner: OwnerReference | undefined, name: string): Secret {
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
  };
}

/**
 * Reads the authority's Secret, with nothing taken on trust. A root with its key that has ended is read like any other: it signs
 * nothing any more, and a rotation replaces it.
 *
 * @param now Unix time, milliseconds
 * @throws CaStateError that says what is wrong and what to do; no message quotes a key.
 */
export async function readCaSecret(
  secret: Secret,
  domain: TrustDomain,
  now: number,
): Promise<StoredAuthority> {
  try {
    return secret.data?.[INTERMEDIATE] === undefined
      ? await readRoot(secret, domain)
      : await readIntermediate(secret, domain, now);
  } catch (error) {
    throw brokenSecret(secret, (error as Error).message);
  }
}

/** What is told when a Secret of the authority cannot be used. */
export function brokenSecret({ metadata }: Secret, why: string): CaStateError {
  const where = `Secret ${metadata.namespace ?? ''}/${metadata.name}`;
  return new CaStateError(
    metadata.name === NEXT_CA_SECRET_NAME
      ? `${where}, which holds the next root, is broken: ${why}. Put it right, or delete it: then one is made`
      : `${where} is broken: ${why}. Restore it from a backup. Where workloads trust its root already, ask for a rotation ` +
          '(spec.ca.rotation.request) instead: then a new root takes its place; elsewhere delete it: then one is made.',
  );
}

async function readRoot(secret: Secret, domain: TrustDomain): Promise<StoredAuthority> {
  const signer = await readSigner(text(secret, CERTIFICATE), text(secret, KEY));
  const [root] = readCertificates(signer.certificatePem);
  const name = `URI:spiffe://${domain}`;
  if (root!.subjectAltName !== name) {
    throw new RangeError(
      `${CERTIFICATE} is for ${JSON.stringify(root!.subjectAltName ?? '')}, but the mesh's trust domain is ${domain}`,
    );
  }
  checkRoot(root!);
  return { rootPem: signer.certificatePem, signer, intermediatesPem: '' };
}

/** Under an offline root, which may be older than the mesh and bear any name. */
async function readIntermediate(secret: Secret, domain: TrustDomain, now: number): Promise<StoredAuthority> {
  if (secret.data?.[KEY] !== undefined)
    throw new RangeError(
      `it has both ${KEY} and ${INTERMEDIATE}; remove ${KEY}, and keep that key elsewhere`,
    );
  const [root, ...more] = readCertificates(text(secret, CERTIFICATE));
  if (!root || more.length > 0) throw new RangeError(`${CERTIFICATE} is not one certificate alone`);
  checkRoot(root);
  if (now > Date.parse(root.validTo)) throw new RangeError(`${CERTIFICATE} ended on ${root.validTo}`);
  const chain = readCertificates(text(secret, INTERMEDIATE));
  const [first, ...between] = chain;
  if (!first) throw new RangeError(`${INTERMEDIATE} has no certificate`);
  const signer = await readSigner(certificatesPem([first]), text(secret, INTERMEDIATE_KEY));
  if (now > signer.notAfter) throw new RangeError(`${INTERMEDIATE} ended on ${first.validTo}`);
  const rootPem = certificatesPem([root]);
  const path = TrustBundle.of(domain, rootPem).fault(first, domain, { now, intermediates: between });
  if (path) throw new RangeError(`${INTERMEDIATE} does not lead to ${CERTIFICATE}: ${path}`);
  return { rootPem, signer, intermediatesPem: certificatesPem(chain) };
}

function checkRoot(root: X509Certificate): void {
  const fault = signingFault(root);
  if (fault !== undefined) throw new RangeError(`${CERTIFICATE} cannot be a root: ${fault}`);
  if (!isSelfSigned(root)) throw new RangeError(`${CERTIFICATE} is not signed by its own key`);
}

const FIELDS = [CERTIFICATE, KEY, INTERMEDIATE, INTERMEDIATE_KEY];

/** Whether both hold the same authority. */
export function holdsSameAuthority(one: Secret, other: Secret): boolean {
  return FIELDS.every((field) => one.data?.[field] === other.data?.[field]);
}

/** SHA-256 of the root certificate (DER), lower-case hex; undefined when none can be read. */
export function rootIdOf(secret: Secret): string | undefined {
  try {
    return sha256Hex(pemBlock('CERTIFICATE', text(secret, CERTIFICATE)));
  } catch {
    return undefined;
  }
}

/** A Secret that holds another one's authority, and nothing else. */
export function withAuthorityOf(secret: Secret, { data = {} }: Secret): Secret {
  const held = FIELDS.filter((field) => data[field] !== undefined).map((field) => [field, data[field] ?? '']);
  return { ...secret, data: Object.fromEntries(held) as Record<string, string> };
}

/** A Secret of that name for another one's authority. */
export function caSecretOf(
  namespace: string,
  source: Secret,
  owner: OwnerReference | undefined,
  name: string,
): Secret {
  return withAuthorityOf(emptySecret(namespace, owner, name), source);
}

function text(secret: Secret, field: string): string {
  const value = secret.data?.[field];
  if (typeof value !== 'string' || value === '') throw new RangeError(`its field ${field} is missing`);
  return Buffer.from(value, 'base64').toString('utf8');
}

function base64(value: string): string {
  return Buffer.from(value, 'utf8').toString('base64');
}
