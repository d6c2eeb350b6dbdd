import { PORTS } from '#core/constants.ts';

import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';
import { MAX_FRAME_BYTES, encodeFrame } from '../single-stream/frame.ts';

let mesh: FakeMesh;
let peer: RawPeer;
beforeEach(async () => {
  mesh = await FakeMesh.start({
    settings: { handshakeMs: 2_000, headerMs: 300, connectMs: 500, lingerMs: 200 },
  });
  peer = await RawPeer.web(mesh);
});
afterEach(() => mesh.stop());

async function expectRefused(reason: string): Promise<void> {
  await eventually(() => mesh.db.metrics.refused.length > 0);
  expect(mesh.db.metrics.refused).toEqual([reason]);
  expect(mesh.db.app.seen).toBe(0);
  await eventually(() => mesh.db.inbound.accepted === 0);
}

function lengthOnly(length: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length);
  return head;
}

test('bytes sent right behind the header reach the application', async () => {
  peer.tls!.write(Buffer.concat([encodeFrame({ port: mesh.db.app.port }), Buffer.from('early')]));
  await eventually(() => peer.received.includes('early'));
  expect(await peer.answer()).toEqual({ ok: true });
});

test('a header that comes byte by byte is understood', async () => {
  for (const byte of encodeFrame({ port: mesh.db.app.port })) {
    peer.tls!.write(Buffer.from([byte]));
    await pause(1);
  }
  expect(await peer.answer()).toEqual({ ok: true });
});

test('a newer client may say more', async () => {
  expect(await peer.ask({ port: mesh.db.app.port, priority: 'high' })).toEqual({ ok: true });
});

test('a header that is too long is refused before it is read', async () => {
  peer.tls!.write(lengthOnly(MAX_FRAME_BYTES + 1));
  expect(await peer.ended()).toBe('reset');
  await expectRefused('bad-header');
});

test('a header of no length is refused', async () => {
  peer.tls!.write(lengthOnly(0));
  await expectRefused('bad-header');
});

test('a header that is not JSON is refused', async () => {
  peer.tls!.write(Buffer.concat([lengthOnly(4), Buffer.from('{{{{')]));
  await expectRefused('bad-header');
});

test.each([
  ['no port', {}],
  ['a port as text', { port: '80' }],
  ['port 0', { port: 0 }],
  ['a port beyond 65535', { port: 65536 }],
  ['half a port', { port: 80.5 }],
  ['an original destination with a line break', { port: 80, originalDestination: '10.0.0.1:80\n{"evil":1}' }],
  ['a list', [80]],
])('a header with %s is refused', async (_what, header) => {
  peer.tls!.write(encodeFrame(header));
  await expectRefused('bad-header');
});

test('a header that is never completed is refused after its time', async () => {
  peer.tls!.write(encodeFrame({ port: mesh.db.app.port }).subarray(0, 9));
  expect(await peer.ended()).toBe('reset');
  await expectRefused('header-timeout');
});

test('a peer that leaves in the middle of its header leaves nothing behind', async () => {
  peer.tls!.end(encodeFrame({ port: mesh.db.app.port }).subarray(0, 9));
  await expectRefused('client-gone');
});

test('a port that the service does not declare is refused and named', async () => {
  const verdict = await peer.ask({ port: 1 });
  expect(verdict).toMatchObject({ ok: false, code: 'port-not-declared' });
  expect((verdict as { reason: string }).reason).toMatch(/^shop\/db does not offer port 1; declared: \d+$/);
  await expectRefused('port-not-declared');
});

test('a service that declares nothing offers nothing', async () => {
  mesh.own.set({ ports: [] });
  expect(await peer.ask({ port: mesh.db.app.port })).toMatchObject({ ok: false, code: 'port-not-declared' });
});

test.each(Object.entries(PORTS))(
  'the port of the sidecar itself (%s) cannot be declared',
  async (_name, port) => {
    mesh.own.set({ ports: [port] });
    expect(await peer.ask({ port })).toMatchObject({ ok: false, code: 'port-not-declared' });
  },
);

test('who is denied does not learn which ports there are', async () => {
  mesh.policy.deny();
  expect(await peer.ask({ port: 1 })).toMatchObject({ ok: false, code: 'denied' });
});

test('an application that does not listen is named as the cause', async () => {
  const port = mesh.db.app.port;
  await mesh.db.app.stop();
  expect(await peer.ask({ port })).toMatchObject({ ok: false, code: 'app-unreachable' });
  await expectRefused('app-unreachable');
});

test('a peer that is refused and does not close is closed', async () => {
  mesh.policy.deny();
  peer.tls!.write(encodeFrame({ port: mesh.db.app.port }));
  await expectRefused('denied');
});
