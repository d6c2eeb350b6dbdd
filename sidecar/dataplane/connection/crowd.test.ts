import { connect } from 'node:net';

import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { FakeClient } from '../../testing/app.fake.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';

let mesh: FakeMesh;
afterEach(() => mesh.stop());

test('connection churn: two thousand connections, one after the other, all served and none left', async () => {
  mesh = await FakeMesh.start();
  let done = 0;
  const worker = async () => {
    while (done < 2_000) {
      done += 1;
      const client = await FakeClient.connect(mesh.upstreamPort);
      expect((await client.exchange('hello')).toString()).toBe('hello');
      client.socket.end();
      await client.ended();
      client.close();
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  await eventually(
    () => mesh.outbound.accepted === 0 && mesh.db.inbound.accepted === mesh.db.inbound.tunnels,
  );
  expect(mesh.db.metrics.opened.length).toBeGreaterThanOrEqual(2_000);
  expect(mesh.db.metrics.refused).toEqual([]);
}, 300_000);

test('handshake flood: clients that never finish do not keep others out, and go when their time is over', async () => {
  mesh = await FakeMesh.start({ settings: { handshakeMs: 1_500, maxConnections: 50 } });
  const flood = Array.from({ length: 90 }, () => {
    const socket = connect({ port: mesh.inboundPort, host: mesh.db.address });
    socket.on('error', () => undefined).write(Buffer.from([0x16, 3, 1]));
    mesh.onStop(() => void socket.destroy());
    return socket;
  });
  await eventually(() => mesh.db.inbound.accepted === flood.length);
  const client = await mesh.connect();
  expect((await client.exchange('hello')).toString()).toBe('hello');
  await eventually(() => mesh.db.inbound.accepted === 1);
  expect(new Set(mesh.db.metrics.refused)).toEqual(new Set(['handshake-timeout']));
}, 30_000);

test('more open connections than allowed are refused with the reason, and the room of a closed one is given away', async () => {
  mesh = await FakeMesh.start({ settings: { maxConnections: 2, dialAttempts: 1 } });
  const ask = async () => {
    const peer = await RawPeer.web(mesh);
    return { peer, verdict: await peer.ask({ port: mesh.db.app.port }) };
  };
  const first = await ask();
  await ask();
  expect((await ask()).verdict).toMatchObject({ ok: false, code: 'limit' });
  first.peer.raw.destroy();
  await eventually(() => mesh.db.inbound.open === 1);
  expect((await ask()).verdict).toEqual({ ok: true });
});
