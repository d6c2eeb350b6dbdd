import type { FakeClient } from '../../testing/app.fake.ts';
import { Cable } from '../../testing/cable.fake.ts';
import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';

/** How connections of applications share tunnels. */

let mesh: FakeMesh;
afterEach(() => mesh.stop());

test('a hundred connections cost one handshake', async () => {
  mesh = await FakeMesh.start();
  const clients = await Promise.all(Array.from({ length: 100 }, () => mesh.connect()));
  const answers = await Promise.all(clients.map((client, index) => client.exchange(`I am ${index}`)));
  expect(answers.map(String)).toEqual(clients.map((_, index) => `I am ${index}`));
  expect([mesh.web.metrics.handshakes, mesh.db.metrics.handshakes]).toEqual([1, 1]);
  expect([mesh.web.metrics.tunnelsOpened, mesh.db.inbound.tunnels]).toEqual([1, 1]);
  expect(mesh.db.inbound.open).toBe(100);
});

test('connections that come and go one after the other use the same tunnel', async () => {
  mesh = await FakeMesh.start();
  for (let index = 0; index < 20; index++) {
    const client = await mesh.connect();
    await client.exchange('hello');
    client.close();
  }
  expect(mesh.web.metrics.handshakes).toBe(1);
});

test('more connections at once than one tunnel has streams are all served', async () => {
  // The first handshake waits until the whole crowd is there: no limit of time may end it before.
  mesh = await FakeMesh.start({
    settings: { handshakeMs: 60_000, connectMs: 60_000, verdictMs: 60_000, dialMs: 60_000 },
  });
  const cable = await Cable.to(mesh, mesh.db, '127.0.7.1');
  cable.hold();
  const clients: FakeClient[] = [];
  for (let index = 0; index < 1_300; index += 1) clients.push(await mesh.connect());
  for (const client of clients) client.socket.write('hello');
  await eventually(() => cable.made === 1);
  cable.release();
  const lost = (): number => clients.filter(({ ending }) => ending !== 'open').length;
  await eventually(() => lost() > 0 || clients.every(({ text }) => text === 'hello'), { withinMs: 60_000 });
  expect([lost(), mesh.db.metrics.refused]).toEqual([0, []]);
  expect(mesh.web.metrics.refused).toEqual([]);
  expect(mesh.web.metrics.retries).toEqual([]);
  expect(mesh.db.inbound.tunnels).toBeGreaterThan(1);
  expect(mesh.db.inbound.tunnels).toBeLessThanOrEqual(mesh.settings.maxTunnels);
}, 120_000);

test('requests do not wait behind a bulk transfer: they have a tunnel of their own', async () => {
  mesh = await FakeMesh.start();
  mesh.db.app.onConnection((socket) => {
    socket.once('data', (data: Buffer) => {
      if (data.toString() !== 'all') return void socket.end(data);
      const chunk = Buffer.alloc(262_144);
      const more = () => {
        while (socket.writable && socket.write(chunk));
      };
      socket.on('drain', more);
      more();
    });
  });
  const bulk = await mesh.connect();
  bulk.socket.removeAllListeners('data');
  bulk.socket.resume();
  bulk.socket.write('all');
  await eventually(
    () => {
      if (mesh.db.inbound.tunnels > 1) return true;
      void mesh.connect().then((client) => client.socket.write('hello'));
      return false;
    },
    { withinMs: 20_000 },
  );
  const client = await mesh.connect();
  expect((await client.exchange('hello')).toString()).toBe('hello');
}, 60_000);

test('a tunnel without a stream is closed after a while, and not before', async () => {
  mesh = await FakeMesh.start({ settings: { tunnelIdleMs: 300 } });
  const client = await mesh.connect();
  await client.exchange('hello');
  await pause(500);
  expect(mesh.db.inbound.tunnels).toBe(1);
  client.close();
  await eventually(() => mesh.db.inbound.open === 0);
  expect(mesh.db.inbound.tunnels).toBe(1);
  await eventually(() => mesh.db.inbound.accepted === 0);
  expect(mesh.web.metrics.tunnelsClosed).toEqual(['idle']);
  expect((await (await mesh.connect()).exchange('again')).toString()).toBe('again');
  expect(mesh.web.metrics.handshakes).toBe(2);
});

test('a tunnel that is used again in time stays', async () => {
  mesh = await FakeMesh.start({ settings: { tunnelIdleMs: 1_000 } });
  for (let round = 0; round < 8; round++) {
    const client = await mesh.connect();
    await client.exchange('hello');
    client.close();
    await pause(250);
  }
  expect(mesh.web.metrics.handshakes).toBe(1);
});
