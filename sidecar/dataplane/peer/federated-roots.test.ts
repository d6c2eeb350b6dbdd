import type { ConnectionOptions } from 'node:tls';

import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';
import { ALPN_CONTROL } from '#core/wire.ts';

import { DB, FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';
import { ALPN_STREAM, ALPN_TUNNEL } from '../transport/alpn.ts';
import { admitShown } from './admit.ts';

/** The root of a federated trust domain signs for its own trust domain alone, on every entry point and in both directions. */

const OPERATOR = { namespace: 'mesh', service: 'mesh-operator' };

let partner: TestPki;
let mesh: FakeMesh;
beforeAll(async () => {
  partner = await TestPki.create({ trustDomain: 'partner.example' });
});
afterEach(() => mesh.stop());

function federated(own: TestPki): TrustBundle {
  return new TrustBundle(
    new Map([own, partner].map(({ trustDomain, bundle }) => [trustDomain, bundle.rootsOf(trustDomain)])),
  );
}

describe('a caller with a certificate of a federated root for a name of this mesh', () => {
  let finished: number;
  beforeEach(async () => {
    mesh = await FakeMesh.start({ pods: 0 });
    finished = 0;
    const control = {
      operator: mesh.pki.spiffeId(OPERATOR),
      finish: () => void finished++,
      trust: () => Promise.resolve(undefined),
    };
    await mesh.addPod({ inbound: { control } });
    mesh.db.identity.set({ bundle: federated(mesh.pki) });
  });

  async function dial(options: ConnectionOptions, who: { namespace: string; service: string }) {
    const { certChainPem: cert, keyPem: key } = await partner.leaf(who, { uri: mesh.pki.spiffeId(who) });
    return RawPeer.web(mesh, { cert, key, ...options });
  }

  test.each<[string, ConnectionOptions, { namespace: string; service: string }]>([
    ['in a tunnel', { ALPNProtocols: [ALPN_TUNNEL] }, WEB],
    ['in a single stream', { ALPNProtocols: [ALPN_STREAM] }, WEB],
    ['without a protocol of the mesh', { ALPNProtocols: [] }, WEB],
    ['as the operator', { ALPNProtocols: [ALPN_CONTROL] }, OPERATOR],
  ])('is refused %s', async (_what, options, who) => {
    const peer = await dial(options, who);
    peer.tls!.write('{"command":"finish"}\n');
    expect(await peer.ended()).toBe('reset');
    expect(mesh.db.metrics.refused).toEqual(['untrusted-certificate']);
    expect([finished, mesh.db.app.seen]).toEqual([0, 0]);
  });

  test('is refused where another process of the sidecar passes its certificate on', async () => {
    const shown = [(await partner.leaf(WEB, { uri: mesh.pki.spiffeId(WEB) })).certChainPem];
    expect(() => admitShown(shown, federated(mesh.pki), Date.now())).toThrow(/no valid path/);
  });
});

test.each([
  ['in a tunnel', true],
  ['in a single stream', false],
])(
  'a destination with a certificate of a federated root for a name of this mesh gets no byte %s',
  async (_how, tunnel) => {
    mesh = await FakeMesh.start({ pods: 0, settings: { tunnel, dialAttempts: 1 } });
    const { certChainPem, keyPem } = await partner.leaf(DB, { uri: mesh.pki.spiffeId(DB) });
    const genuine = await mesh.pki.svid(DB);
    await mesh.addPod({ svid: { ...genuine, certChainPem, keyPem } });
    mesh.web.identity.set({ bundle: federated(mesh.pki) });
    const client = await mesh.connect();
    client.socket.write('secret');
    expect(await client.ended()).toBe('reset');
    expect(mesh.web.metrics.refused).toEqual(['untrusted-certificate']);
    expect(mesh.db.app.seen).toBe(0);
  },
);
