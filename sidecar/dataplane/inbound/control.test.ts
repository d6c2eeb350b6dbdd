import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { ALPN_CONTROL } from '#core/wire.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';
import type { TrustReport } from '../peer/trust-report.ts';

const OPERATOR = { namespace: 'mesh', service: 'mesh-operator' };

let mesh: FakeMesh;
let finished: number;
let report: TrustReport | undefined;
beforeEach(async () => {
  mesh = await FakeMesh.start({ pods: 0, settings: { headerMs: 300, lingerMs: 200 } });
  finished = 0;
  await mesh.addPod({
    inbound: {
      control: {
        operator: mesh.pki.spiffeId(OPERATOR),
        finish: () => void finished++,
        trust: () => Promise.resolve(report),
      },
    },
  });
});
afterEach(() => mesh.stop());

async function operator(): Promise<RawPeer> {
  const svid = await mesh.pki.svid(OPERATOR);
  return RawPeer.web(mesh, { cert: svid.certChainPem, key: svid.keyPem, ALPNProtocols: [ALPN_CONTROL] });
}

test('the operator can tell the sidecar to finish', async () => {
  const peer = await operator();
  peer.tls!.write('{"command":"finish"}\n');
  await eventually(() => peer.received.toString() === '{"ok":true}\n');
  expect(finished).toBe(1);
  await eventually(() => mesh.db.inbound.accepted === 0);
});

test('the operator can ask which roots the sidecar leans on', async () => {
  report = { roots: ['aa', 'bb'], leans: ['aa'] };
  const peer = await operator();
  peer.tls!.write('{"command":"trust"}\n');
  await eventually(() => peer.received.toString() === '{"ok":true,"roots":["aa","bb"],"leans":["aa"]}\n');
});

test('a sidecar that does not know says so', async () => {
  report = undefined;
  const peer = await operator();
  peer.tls!.write('{"command":"trust"}\n');
  await eventually(() => peer.received.toString() === '{"ok":false}\n');
});

test('nobody else can, however much the rules allow', async () => {
  const peer = await RawPeer.web(mesh, { ALPNProtocols: [ALPN_CONTROL] });
  peer.tls!.on('error', () => undefined).write('{"command":"finish"}\n');
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['not-the-operator']);
  expect(finished).toBe(0);
});

test.each([
  ['an unknown command', '{"command":"dance"}\n'],
  ['no JSON', 'finish\n'],
  ['null', 'null\n'],
  ['a line that does not end', 'x'.repeat(3000)],
])('%s is refused', async (_what, line) => {
  const peer = await operator();
  peer.tls!.write(line);
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['bad-header']);
  expect(finished).toBe(0);
});

test('an operator that says nothing is not waited for', async () => {
  const peer = await operator();
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['header-timeout']);
});
