import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { DB, FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';

let mesh: FakeMesh;
afterEach(() => mesh.stop());

function refusals(): object[] {
  return mesh.web.log.lines
    .filter(({ message }) => message === 'connection refused')
    .map(({ fields }) => fields);
}

/** A pod that accepts and then does what the test says. */
async function fakePod(address: string, behave: (socket: Socket) => void): Promise<void> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    behave(socket);
  });
  await new Promise<void>((resolve) => server.listen(mesh.inboundPort, address, resolve));
  expect((server.address() as AddressInfo).port).toBe(mesh.inboundPort);
  mesh.onStop(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
}

test('an endpoint that is gone is passed over, and then left alone', async () => {
  mesh = await FakeMesh.start({ settings: { ejectMs: 60_000 } });
  mesh.target.set([{ address: '127.0.9.9', port: mesh.db.app.port }, ...mesh.target.endpoints()]);
  for (let index = 0; index < 15; index++) {
    expect((await (await mesh.connect()).exchange('hello')).toString()).toBe('hello');
  }
  expect(mesh.web.metrics.retries).toEqual(['unreachable']);
  expect(mesh.web.metrics.ejected).toBe(1);
});

test('an endpoint that has come back is used again', async () => {
  mesh = await FakeMesh.start({ pods: 2, settings: { ejectMs: 100 } });
  const [first] = mesh.pods;
  const { port } = first!.app;
  await first!.app.stop();
  await eventually(() => mesh.web.metrics.ejected > 0 || (void mesh.connect(), false));
  await first!.app.start(first!.address, port);
  await eventually(() => mesh.web.metrics.restored > 0 || (void mesh.connect(), false));
}, 30_000);

test('an application that does not answer is tried elsewhere', async () => {
  mesh = await FakeMesh.start({ pods: 2 });
  await mesh.db.app.stop();
  for (let index = 0; index < 8; index++) {
    expect((await (await mesh.connect()).exchange('hello')).toString()).toBe('hello');
  }
  expect(new Set(mesh.web.metrics.retries)).toEqual(new Set(['app-unreachable']));
});

test('backend flapping: a pod that comes and goes costs no connection while another one stands', async () => {
  mesh = await FakeMesh.start({ pods: 2, settings: { ejectMs: 20, ejectMaxMs: 40 } });
  const [flapping] = mesh.pods;
  const { port } = flapping!.app;
  for (let round = 0; round < 6; round++) {
    if (round % 2 === 0) await flapping!.app.stop();
    else await flapping!.app.start(flapping!.address, port);
    for (let index = 0; index < 10; index++) {
      const client = await mesh.connect();
      expect((await client.exchange('hello')).toString()).toBe('hello');
      client.close();
    }
  }
}, 60_000);

test('when every endpoint is down the client is reset, and the log says what was tried', async () => {
  mesh = await FakeMesh.start();
  mesh.target.set([
    { address: '127.0.9.8', port: 1 },
    { address: '127.0.9.9', port: 1 },
  ]);
  const client = await mesh.connect();
  expect(await client.ended()).toBe('reset');
  expect(refusals()).toMatchObject([
    {
      destination: 'shop/db',
      reason: 'unreachable',
      attempts: 5,
      decision: expect.stringMatching(
        /^shop\/db could not be reached in 5 attempts; the last: cannot connect to the sidecar at 127\.0\.9\.[89]/,
      ),
    },
  ]);
});

test('a service without ready pods is named', async () => {
  mesh = await FakeMesh.start({ pods: 0 });
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect(refusals()).toMatchObject([{ reason: 'no-endpoints', decision: 'shop/db has no ready pod' }]);
});

test('a service that does not exist is named', async () => {
  mesh = await FakeMesh.start();
  mesh.resolver.byName.clear();
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect(refusals()).toMatchObject([
    { reason: 'unknown-destination', decision: 'shop/db: no such MeshService' },
  ]);
});

test('the only endpoint is tried again, in case it is just starting', async () => {
  mesh = await FakeMesh.start();
  const { port } = mesh.db.app;
  await mesh.db.app.stop();
  const client = await mesh.connect();
  await mesh.db.app.start(mesh.db.address, port);
  expect((await client.exchange('hello')).toString()).toBe('hello');
});

test('a denial is final: no other endpoint is asked', async () => {
  mesh = await FakeMesh.start({ pods: 3 });
  mesh.policy.deny();
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect(mesh.pods.flatMap(({ metrics }) => metrics.refused)).toEqual(['denied']);
  expect(mesh.web.metrics.retries).toEqual([]);
});

test('a pod with the wrong identity gets no byte, and another one is asked', async () => {
  mesh = await FakeMesh.start();
  const svid = await mesh.pki.svid({ namespace: 'shop', service: 'impostor' });
  const impostor = await mesh.addPod({ svid });
  mesh.target.set([{ address: impostor.address, port: impostor.app.port }]);
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect(impostor.app.seen).toBe(0);
  expect(refusals()).toMatchObject([
    {
      reason: 'wrong-identity',
      decision: expect.stringContaining(`the peer is ${svid.spiffeId} and not ${mesh.pki.spiffeId(DB)}`),
    },
  ]);
  mesh.target.set(mesh.pods.map((pod) => ({ address: pod.address, port: pod.app.port })));
  expect((await (await mesh.connect()).exchange('hello')).toString()).toBe('hello');
});

test('a server of a foreign authority is not trusted', async () => {
  mesh = await FakeMesh.start({ settings: { dialAttempts: 1 } });
  const foreign = await mesh.pki.foreign();
  const pod = await mesh.addPod({ svid: await foreign.svid(DB) });
  mesh.target.set([{ address: pod.address, port: pod.app.port }]);
  expect(await (await mesh.connect()).ended()).toBe('reset');
  expect(refusals()).toMatchObject([{ reason: 'untrusted-certificate' }]);
});

test.each([
  ['says nothing', () => undefined, 'handshake-timeout'],
  ['closes at once', (socket: Socket) => void socket.end(), 'handshake-failed'],
  ['resets at once', (socket: Socket) => void socket.resetAndDestroy(), 'handshake-failed|unreachable'],
  [
    'answers garbage',
    (socket: Socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
    'handshake-failed',
  ],
])('a pod that %s is passed over', async (_what, behave, reason) => {
  mesh = await FakeMesh.start({ settings: { handshakeMs: 400, ejectMs: 60_000 } });
  await fakePod('127.0.9.1', behave);
  mesh.target.set([{ address: '127.0.9.1', port: 1 }, ...mesh.target.endpoints()]);
  for (let index = 0; mesh.web.metrics.retries.length === 0 && index < 50; index++) {
    expect((await (await mesh.connect()).exchange('hello')).toString()).toBe('hello');
  }
  expect(mesh.web.metrics.retries).toEqual([expect.stringMatching(new RegExp(`^(${reason})$`))]);
});

test('a client that gives up while a pod is dialed stops the dialing', async () => {
  mesh = await FakeMesh.start();
  await fakePod('127.0.9.1', () => undefined);
  mesh.target.set([{ address: '127.0.9.1', port: 1 }]);
  const client = await mesh.connect();
  await eventually(() => mesh.target.held === 1);
  client.socket.resetAndDestroy();
  await eventually(() => mesh.target.held === 0);
  expect(mesh.web.metrics.refused).toEqual(['client-gone']);
  expect(mesh.web.metrics.ejected).toBe(0);
});

test('all attempts together have an end', async () => {
  mesh = await FakeMesh.start({ settings: { dialMs: 500, dialAttempts: 1_000 } });
  await fakePod('127.0.9.1', () => undefined);
  mesh.target.set([{ address: '127.0.9.1', port: 1 }]);
  expect(await (await mesh.connect()).ended()).toBe('reset');
});
