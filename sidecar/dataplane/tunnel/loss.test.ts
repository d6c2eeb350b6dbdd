import type { FakeClient } from '../../testing/app.fake.ts';
import { Cable } from '../../testing/cable.fake.ts';
import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';

/** What happens to the streams of a tunnel that goes away. */

let mesh: FakeMesh;
afterEach(() => mesh.stop());

async function talking(count: number): Promise<readonly FakeClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => mesh.connect()));
  await Promise.all(clients.map((client) => client.exchange('hello')));
  return clients;
}

test('a tunnel that is cut resets its streams on both sides, and the next connection has a new one', async () => {
  mesh = await FakeMesh.start();
  const cable = await Cable.to(mesh, mesh.db, '127.0.7.1');
  const clients = await talking(5);
  const resets: string[] = [];
  for (const socket of mesh.db.app.sockets)
    socket.on('error', (error: NodeJS.ErrnoException) => resets.push(error.code!));
  cable.cut();
  for (const client of clients) expect(await client.ended()).toBe('reset');
  await eventually(() => resets.length === 5);
  expect(new Set(resets)).toEqual(new Set(['ECONNRESET']));
  expect(mesh.web.metrics.tunnelsClosed).toEqual(['tunnel-lost']);
  await talking(1);
  expect(cable.made).toBe(2);
  expect(mesh.web.metrics.retries).toEqual([]);
});

test('a pod that goes dead without a word is noticed within fifteen seconds, and nobody else is touched', async () => {
  mesh = await FakeMesh.start({ pods: 2, settings: { connectMs: 300, handshakeMs: 300, verdictMs: 1_000 } });
  const [first, second] = mesh.pods;
  const cable = await Cable.to(mesh, first!, '127.0.7.1');
  const clients = await talking(12);
  const there = first!.app.seen;
  expect([there > 0, second!.app.seen > 0]).toEqual([true, true]);
  cable.die();
  const since = Date.now();
  const lost = () => clients.filter(({ ending }) => ending === 'reset');
  await eventually(() => lost().length > 0, { withinMs: 20_000 });
  const took = Date.now() - since;
  await eventually(() => lost().length === there);
  expect(took).toBeGreaterThan(4_000);
  expect(took).toBeLessThan(16_000);
  for (const client of clients) {
    if (client.ending === 'open') expect((await client.exchange('still')).toString()).toBe('still');
  }
  // The other side notices by itself too.
  await eventually(() => first!.inbound.tunnels === 0, { withinMs: 20_000 });
  expect(first!.metrics.tunnelsClosed).toEqual(['tunnel-lost']);
  // Connections of now go elsewhere.
  await talking(6);
}, 90_000);

test('what an application was told before the tunnel was cut is told to its end', async () => {
  mesh = await FakeMesh.start();
  const cable = await Cable.to(mesh, mesh.db, '127.0.7.1');
  mesh.db.app.onConnection((socket) => socket.write('a whole answer'));
  const client = await mesh.connect();
  await eventually(() => client.text === 'a whole answer');
  client.socket.write('more?');
  cable.cut();
  expect(await client.ended()).toBe('reset');
  expect(client.text).toBe('a whole answer');
});
