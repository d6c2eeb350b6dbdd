import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId, trustDomain } from '#core/spiffe-id.ts';
import { checkCsr } from '#pki/csr-check.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys, spkiDer } from '#pki/keys.ts';
import type { OpenSsl } from '#pki/testing/openssl.fake.ts';

import type { RequestedKey, ServingRequest, WorkloadRequest } from './provider.ts';

/** The trust domain of every request here. */
export const TRUST_DOMAIN = trustDomain('cluster.local');
/** The service whose certificates are asked for. */
export const WHO = { namespace: namespaceName('shop'), service: serviceName('web') };
/** Its SPIFFE ID. */
export const SPIFFE_ID = serviceSpiffeId({ trustDomain: TRUST_DOMAIN, datacenter: 'dc1' }, WHO);
/** The host names of the operator's own certificate. */
export const SERVING_NAMES = ['mesh-operator', 'mesh-operator.mesh', 'mesh-operator.mesh.svc'];

const HOUR = 3_600_000;

/** A workload's request with a fresh key, or the given one. */
export async function workloadRequest(
  bends: Partial<WorkloadRequest> = {},
  key?: RequestedKey,
): Promise<WorkloadRequest> {
  return {
    kind: 'workload',
    ...(key ?? (await freshKey())),
    ttlMs: HOUR,
    who: WHO,
    spiffeId: SPIFFE_ID,
    trustDomain: TRUST_DOMAIN,
    ...bends,
  };
}

/** The operator's own request, with a fresh key. */
export async function servingRequest(): Promise<ServingRequest> {
  return { kind: 'serving', ...(await freshKey()), ttlMs: HOUR, dnsNames: SERVING_NAMES };
}

/** A new key, with a request of our own making that proves it; `name` is what the request says of itself. */
export async function freshKey(name?: string): Promise<RequestedKey> {
  const keys = await generateKeys();
  return { spki: spkiDer(keys.publicKey), csrPem: createCsr(keys, name) };
}

/** A new key, with a request that openssl made. */
export async function opensslKey(
  openssl: OpenSsl,
  options: readonly string[],
  keyArguments?: readonly string[],
): Promise<RequestedKey> {
  const checked = await checkCsr(openssl.request(options, keyArguments));
  if (!checked.ok) throw new Error(checked.message);
  return checked.csr;
}
