import type { SpiffeId, TrustDomain } from '#core/spiffe-id.ts';
import { privateKeyPem, spkiDer } from '#pki/keys.ts';
import type { KeyPair } from '#pki/keys.ts';
import { certificatesPem, readCertificates } from '#pki/pem.ts';
import { readSvid, validity } from '#pki/svid.ts';
import type { Svid } from '#pki/svid.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';

export interface LeafExpectation {
  /** The key the request was made with. */
  readonly keys: KeyPair;
  readonly spiffeId: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** From MeshConfig: the answer's own bundle is never trusted, for trust starts at the API server. */
  readonly bundle: TrustBundle;
  /** Unix time, milliseconds. */
  readonly now: number;
}

const MAX_CHAIN = 5;
const MAX_LIFE_MS = 400 * 24 * 3600 * 1000;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/**
 * Turns the operator's answer into our identity, trusting nothing of it: the leaf must hold our key and exactly our name,
 * be valid now, serve both ends of a connection, and lead to a root of our own trust domain.
 *
 * @param chainPem leaf, then intermediates
 * @throws RangeError saying what is wrong.
 */
export function checkLeaf(chainPem: string, expected: LeafExpectation): Svid {
  const [leaf, ...intermediates] = readCertificates(chainPem);
  if (!leaf) throw new RangeError('the answer holds no certificate');
  if (intermediates.length >= MAX_CHAIN)
    throw new RangeError(`the answer holds ${intermediates.length + 1} certificates: at most ${MAX_CHAIN}`);
  if (!spkiDer(leaf.publicKey).equals(spkiDer(expected.keys.publicKey))) {
    throw new RangeError('the certificate is for another key than ours');
  }
  const { notBefore, notAfter } = validity(leaf);
  if (notBefore > expected.now) {
    throw new RangeError(
      `the certificate begins ${seconds(notBefore - expected.now)} in the future: the clocks of this node and the operator's disagree`,
    );
  }
  if (notAfter <= expected.now) {
    throw new RangeError(
      `the certificate ended ${seconds(expected.now - notAfter)} ago: the clocks of this node and the operator's disagree`,
    );
  }
  if (notAfter - notBefore > MAX_LIFE_MS)
    throw new RangeError('the certificate lives longer than any leaf of this mesh may');
  const usages = leaf.keyUsage as readonly string[] | undefined;
  if (!usages?.includes(SERVER_AUTH) || !usages.includes(CLIENT_AUTH)) {
    throw new RangeError('the certificate is not for both ends of a TLS connection');
  }
  const fault = expected.bundle.fault(leaf, expected.trustDomain, { now: expected.now, intermediates });
  if (fault !== undefined) throw new RangeError(fault);
  const svid = readSvid({
    certChainPem: certificatesPem([leaf, ...intermediates]),
    keyPem: privateKeyPem(expected.keys.privateKey),
  });
  if (svid.spiffeId !== expected.spiffeId) {
    throw new RangeError(`the certificate names ${svid.spiffeId} where ${expected.spiffeId} was expected`);
  }
  return svid;
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
