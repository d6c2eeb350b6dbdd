import { generateKeyPairSync } from 'node:crypto';

import { OpenSsl } from '#pki/testing/openssl.fake.ts';
import type { LeafBends } from '#pki/testing/test-pki.fake.ts';

import { DB, FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';
import { ALPN_STREAM, ALPN_TUNNEL } from '../transport/alpn.ts';

/** Certificates that TLS takes and that cannot be a workload's (X509-SVID, 4), signed by the mesh's own root; `pki/svid-constraints` has them all. */

/** As the X.509 library numbers them. */
const DIGITAL_SIGNATURE = 1;
const KEY_AGREEMENT = 16;
const UNFIT: readonly (readonly [string, LeafBends])[] = [
  ['of a CA without keyCertSign', { ca: true, keyUsage: DIGITAL_SIGNATURE }],
  ['without digitalSignature', { keyUsage: KEY_AGREEMENT }],
  ['with an RSA key of 1,024 bits', { keys: generateKeyPairSync('rsa', { modulusLength: 1024 }) }],
];

let mesh: FakeMesh;
afterEach(() => mesh.stop());

describe.each(UNFIT)('a certificate %s', (_what, bends) => {
  test.each([
    ['in a tunnel', [ALPN_TUNNEL]],
    ['in a single stream', [ALPN_STREAM]],
    ['without a protocol of the mesh', []],
  ])('lets no caller in %s', async (_how, ALPNProtocols) => {
    mesh = await FakeMesh.start();
    const { certChainPem: cert, keyPem: key } = await mesh.pki.leaf(WEB, bends);
    const peer = await RawPeer.web(mesh, { cert, key, ALPNProtocols });
    peer.tls!.write('hello');
    expect(await peer.ended()).toBe('reset');
    // Newer TLS libraries refuse a weak key themselves.
    expect(['not-a-mesh-identity', 'untrusted-certificate', 'handshake-failed']).toContain(
      mesh.db.metrics.refused[0],
    );
    expect(mesh.db.app.seen).toBe(0);
  });

  test.each([
    ['in a tunnel', true],
    ['in a single stream', false],
  ])('gets no byte of an application %s', async (_how, tunnel) => {
    mesh = await FakeMesh.start({ pods: 0, settings: { tunnel, dialAttempts: 1 } });
    const { certChainPem, keyPem } = await mesh.pki.leaf(DB, bends);
    await mesh.addPod({ svid: { ...(await mesh.pki.svid(DB)), certChainPem, keyPem } });
    const client = await mesh.connect();
    client.socket.write('secret');
    expect(await client.ended()).toBe('reset');
    expect(mesh.db.app.seen).toBe(0);
  });
});

/** Known, and written down in the threat model: of callers OpenSSL alone sees what stands between leaf and root, and it takes this. */
test('a caller behind a CA certificate without a key usage is let in: what a caller shows above its leaf is for OpenSSL alone', async () => {
  mesh = await FakeMesh.start();
  const openssl = new OpenSsl();
  openssl.file('root.pem', mesh.pki.rootPem);
  openssl.file('root.key', mesh.pki.rootKeyPem);
  openssl.certificate('between', ['basicConstraints=critical,CA:TRUE'], { issuer: 'root' });
  const leaf = [`subjectAltName=URI:${mesh.pki.spiffeId(WEB)}`, 'keyUsage=critical,digitalSignature'];
  openssl.certificate('leaf', leaf, { issuer: 'between' });
  const [cert, between, key] = ['leaf.pem', 'between.pem', 'leaf.key'].map((name) => openssl.read(name));
  openssl.remove();
  const peer = await RawPeer.web(mesh, { cert: Buffer.concat([cert!, between!]), key: key! });
  expect(await peer.ask({ port: mesh.db.app.port })).toEqual({ ok: true });
});
