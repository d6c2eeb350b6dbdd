import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start();
});
afterEach(() => mesh.stop());

test('an allowed application reaches the other one through both sidecars', async () => {
  const client = await mesh.connect();
  expect((await client.exchange('hello')).toString()).toBe('hello');
  expect(mesh.db.metrics.opened).toEqual([
    { direction: 'inbound', security: 'mtls', peer: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web' },
  ]);
});

test('a denied application is reset and the other one never sees a connection', async () => {
  mesh.policy.deny();
  const client = await mesh.connect();
  expect(await client.ended()).toBe('reset');
  expect(mesh.db.app.seen).toBe(0);
});

test('both sidecars say who was denied, whom, and what decided', async () => {
  mesh.policy.deny();
  const client = await mesh.connect();
  await client.ended();
  const line = {
    level: 'warn',
    message: 'connection refused',
    fields: expect.objectContaining({
      source: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web',
      destination: 'shop/db',
      reason: 'denied',
      decision: 'no intention matches and the default is deny',
    }),
  };
  await eventually(() => mesh.db.log.lines.some(({ level }) => level === 'warn'));
  expect(mesh.db.log.lines).toContainEqual(line);
  expect(mesh.web.log.lines).toContainEqual(line);
});

test('a connection to a cluster IP that was redirected arrives', async () => {
  const client = await mesh.dial('10.0.0.1', 5432);
  expect((await client.exchange('hello')).toString()).toBe('hello');
});

test('a policy flip cuts an open connection on both sides', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  const closed = new Promise((resolve) => mesh.db.app.sockets[0]!.once('close', resolve));
  mesh.policy.deny();
  expect(await client.ended()).toBe('reset');
  await closed;
  expect(mesh.db.metrics.cut).toEqual(['denied']);
});
