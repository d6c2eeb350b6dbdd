import { TestPki } from '#pki/testing/test-pki.fake.ts';

/** One side's certificate: P-256, 24 hours, with its SPIFFE ID and `localhost` as names. */
export interface Side {
  readonly spiffeId: string;
  readonly certPem: string;
  readonly keyPem: string;
}

/** What the peers are given; ours get theirs from an operator, as always. */
export interface PeerCertificates {
  readonly rootPem: string;
  readonly client: Side;
  readonly server: Side;
  /** The server's names, by a root that nobody trusts. */
  readonly impostor: Side;
}

/** Makes a root and the certificates of both sides. */
export async function makePeerCertificates(): Promise<PeerCertificates> {
  const pki = await TestPki.create();
  const foreign = await pki.foreign();
  const side = async (from: TestPki, service: string): Promise<Side> => {
    const who = { namespace: 'shop', service };
    const leaf = await from.leaf(who, { extraSans: [{ type: 'dns', value: 'localhost' }] });
    return { spiffeId: from.spiffeId(who), certPem: leaf.certChainPem, keyPem: leaf.keyPem };
  };
  return {
    rootPem: pki.rootPem,
    client: await side(pki, 'web'),
    server: await side(pki, 'db'),
    impostor: await side(foreign, 'db'),
  };
}
