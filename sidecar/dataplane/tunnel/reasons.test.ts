import { FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';

/** The client's side can say why, in the words of the side that decided. */

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { dialAttempts: 1 } });
});
afterEach(() => mesh.stop());

function lines(message: string): object[] {
  return mesh.web.log.lines
    .filter((line) => line.message === message)
    .map(({ level, fields }) => ({ level, ...fields }));
}

test('who was denied finds in its log by whom, and by which rule', async () => {
  mesh.policy.deny();
  const client = await mesh.connect();
  client.socket.write('hello');
  expect(await client.ended()).toBe('reset');
  expect(lines('connection refused')).toMatchObject([
    {
      level: 'warn',
      source: mesh.pki.spiffeId(WEB),
      destination: 'shop/db',
      reason: 'denied',
      decision: 'no intention matches and the default is deny',
      attempts: 1,
    },
  ]);
});

test('who asked for a port that is not offered finds which ones are', async () => {
  mesh.target.set([{ address: mesh.db.address, port: 9 }]);
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect(lines('connection refused')).toMatchObject([
    {
      reason: 'port-not-declared',
      decision: expect.stringContaining(`shop/db does not offer port 9; declared: ${mesh.db.app.port}`),
    },
  ]);
});

test('whose connection is cut while it lives finds the reason', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  mesh.policy.deny();
  expect(await client.ended()).toBe('reset');
  await eventually(() => lines('connection ended by the other sidecar').length === 1);
  expect(lines('connection ended by the other sidecar')).toMatchObject([
    {
      level: 'warn',
      source: mesh.pki.spiffeId(WEB),
      destination: 'shop/db',
      reason: 'denied',
      decision: 'no intention matches and the default is deny',
    },
  ]);
});

test('an application that resets its connection is no incident', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  mesh.db.app.sockets[0]!.resetAndDestroy();
  expect(await client.ended()).toBe('reset');
  await eventually(() => mesh.web.metrics.closed.length === 1);
  expect(mesh.web.log.lines.filter(({ level }) => level === 'warn')).toEqual([]);
});

test('what this side cuts itself is told once, as a cut', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  void mesh.outbound.stop({ minimumMs: 0, deadlineMs: 50 });
  expect(await client.ended()).toBe('reset');
  await eventually(() => mesh.web.metrics.closed.length === 1);
  expect(lines('connection cut')).toHaveLength(1);
  expect(lines('connection ended by the other sidecar')).toEqual([]);
});
