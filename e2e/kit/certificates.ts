import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId, trustDomain } from '#core/spiffe-id.ts';
import { generateKeys, privateKeyPem, spkiDer } from '#pki/keys.ts';
import { issueLeaf, issueRoot, readSigner } from '#pki/profile.ts';
import type { Signer } from '#pki/profile.ts';

import { getJson } from './kubectl.ts';
import { MESH_NAMESPACE } from './mesh.ts';

/** What a peer made by hand shows: PEM texts. */
export interface PeerCertificate {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const DOMAIN = trustDomain('cluster.local');

/**
 * A certificate signed with the mesh's own root key, which only a cluster administrator can read: for peers that the
 * operator would never make.
 */
export async function meshCertificate(
  who: { readonly namespace: string; readonly service: string },
  { endedSecondsAgo }: { readonly endedSecondsAgo?: number } = {},
): Promise<PeerCertificate> {
  const secret = await getJson<{ data: Record<string, string> }>(['secret', 'mesh-ca', '-n', MESH_NAMESPACE]);
  if (!secret) throw new Error('the Secret mesh-ca is not there');
  const text = (key: string): string => Buffer.from(secret.data[key] ?? '', 'base64').toString('utf8');
  return issue(await readSigner(text('root.crt'), text('root.key')), who, endedSecondsAgo);
}

/** A certificate with the right names in it, signed by an authority that nobody trusts. */
export async function foreignCertificate(who: {
  readonly namespace: string;
  readonly service: string;
}): Promise<PeerCertificate> {
  const keys = await generateKeys();
  const root = await issueRoot(keys, DOMAIN, Date.now());
  return issue(await readSigner(root, privateKeyPem(keys.privateKey)), who);
}

async function issue(
  signer: Signer,
  who: { namespace: string; service: string },
  endedSecondsAgo?: number,
): Promise<PeerCertificate> {
  const keys = await generateKeys();
  const identity = { namespace: namespaceName(who.namespace), service: serviceName(who.service) };
  const ttlMs = 3_600_000;
  const now = endedSecondsAgo === undefined ? Date.now() : Date.now() - ttlMs - endedSecondsAgo * 1000;
  const cert = await issueLeaf(signer, {
    now,
    ttlMs,
    spki: spkiDer(keys.publicKey),
    spiffeId: serviceSpiffeId({ trustDomain: DOMAIN, datacenter: 'dc1' }, identity),
    who: identity,
    trustDomain: DOMAIN,
  });
  return { cert, key: privateKeyPem(keys.privateKey), ca: signer.certificatePem };
}
