import { randomBytes } from 'node:crypto';

import { trustDomain } from '#core/spiffe-id.ts';
import type { Clock } from '#base/clock.ts';
import { generateKeys, privateKeyPem, spkiDer } from '#pki/keys.ts';
import { issueRoot, issueServing, readSigner } from '#pki/profile.ts';

import type { ObjectStore } from '../../apiserver/store/object-store.ts';

/** What only the server itself and whoever runs it know. */
export interface Credentials {
  readonly caPem: string;
  readonly caKeyPem: string;
  /** 32 bytes, base64: signs the tokens of ServiceAccounts. */
  readonly tokenKey: string;
  readonly adminToken: string;
}

/** In the server's certificate; clients that dial an address ask for it. */
export const SERVER_NAME = 'localhost';
/** No kind has this name, so no request reaches it. */
const RESOURCE = 'internal/credentials';
const DAY_MS = 24 * 3_600_000;

/** The credentials that are kept with the objects; made at the first start. */
export async function loadCredentials(store: ObjectStore, clock: Clock): Promise<Credentials> {
  const known = store.get(RESOURCE, 'server');
  if (known) return known.data as Credentials;
  const keys = await generateKeys();
  const data: Credentials = {
    caPem: await issueRoot(keys, trustDomain('api.mesh-dev.internal'), clock.now()),
    caKeyPem: privateKeyPem(keys.privateKey),
    tokenKey: randomBytes(32).toString('base64'),
    adminToken: randomBytes(32).toString('base64url'),
  };
  store.put(RESOURCE, { apiVersion: 'internal', kind: 'Credentials', metadata: { name: 'server' }, data });
  return data;
}

/** A certificate for the API's port, good for a year; every start makes a new one. */
export async function servingPair(
  { caPem, caKeyPem }: Credentials,
  clock: Clock,
): Promise<{ readonly certPem: string; readonly keyPem: string }> {
  const keys = await generateKeys();
  const signer = await readSigner(caPem, caKeyPem);
  const life = { now: clock.now(), ttlMs: 365 * DAY_MS };
  const certPem = await issueServing(signer, {
    ...life,
    spki: spkiDer(keys.publicKey),
    dnsNames: [SERVER_NAME],
  });
  return { certPem: `${certPem}${caPem}`, keyPem: privateKeyPem(keys.privateKey) };
}
