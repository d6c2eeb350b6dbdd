import type { Socket } from 'node:net';

import { FakeMesh } from '../../testing/data-plane.fake.ts';
import type { ServerPod } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { noise } from '../../testing/sources.fake.ts';

/** What an application says before its peer has consented. */

let mesh: FakeMesh;
afterEach(() => mesh.stop());

/** What the application of a pod is told, as one text. */
function hearing(pod: ServerPod): () => Buffer {
  const heard: Buffer[] = [];
  pod.app.onConnection((socket: Socket) => {
    socket.on('data', (data: Buffer) => heard.push(data));
    socket.on('end', () => socket.end('thanks'));
  });
  return () => Buffer.concat(heard);
}

/** Two pods, of which the first one's application is down; endpoints are asked in an order by chance. */
async function halfDown(): Promise<ServerPod> {
  mesh = await FakeMesh.start({ pods: 2, settings: { ejectMs: 1, ejectMaxMs: 1 } });
  const [down, up] = mesh.pods as [ServerPod, ServerPod];
  await down.app.stop();
  return up;
}

/** Connects until the pod that is down was asked first. */
async function say(text: Buffer, end: boolean): Promise<{ readonly text: string }> {
  for (;;) {
    const retries = mesh.web.metrics.retries.length;
    const client = await mesh.connect();
    if (end) client.socket.end(text);
    else client.socket.write(text);
    await eventually(() => mesh.web.metrics.dials > 0 && (end ? client.ending !== 'open' : true));
    await pause(30);
    if (mesh.web.metrics.retries.length > retries) return client;
    client.close();
    mesh.web.metrics.dials = 0;
  }
}

test('is said to another pod when the first one cannot pass it on, end and all', async () => {
  const up = await halfDown();
  const heard = hearing(up);
  for (let round = 0; round < 3; round++) {
    const before = heard().length;
    const client = await say(Buffer.from('hello'), true);
    expect(client.text).toBe('thanks');
    expect(heard().subarray(before).toString()).toMatch(/^(hello)+$/);
  }
  expect(new Set(mesh.web.metrics.retries)).toEqual(new Set(['app-unreachable']));
});

test('arrives whole at the second pod, also when it is far more than may be said early', async () => {
  const up = await halfDown();
  const large = noise(3_000_000);
  let heard: Buffer[] = [];
  let whole: Buffer | undefined;
  up.app.onConnection((socket: Socket) => {
    heard = [];
    const mine = heard;
    socket.on('data', (data: Buffer) => mine.push(data));
    socket.on('end', () => {
      whole = Buffer.concat(mine);
      socket.end('thanks');
    });
  });
  const client = await say(large, true);
  expect(client.text).toBe('thanks');
  expect(whole!.equals(large)).toBe(true);
});

test('of a denied client reaches nobody', async () => {
  mesh = await FakeMesh.start();
  mesh.policy.deny();
  const client = await mesh.connect();
  client.socket.end('let me in');
  expect(await client.ended()).toBe('reset');
  expect(mesh.db.app.seen).toBe(0);
});

test('of a client that is denied while the application is dialed reaches nobody either', async () => {
  mesh = await FakeMesh.start();
  const heard = hearing(mesh.db);
  let asked = 0;
  mesh.policy.decideBy(() => (asked++ === 0 ? 'allow' : 'deny'));
  asked = 0;
  const client = await mesh.connect();
  client.socket.end('let me in');
  expect(await client.ended()).toBe('reset');
  await pause(50);
  expect(asked).toBeGreaterThan(1);
  expect(heard().length).toBe(0);
  expect(mesh.db.metrics.refused).toEqual(['denied']);
});

test('is counted with the rest, once', async () => {
  mesh = await FakeMesh.start();
  const client = await mesh.connect();
  client.socket.write('early ');
  await eventually(() => client.text === 'early ');
  await client.exchange('late');
  client.socket.end();
  await client.ended();
  await eventually(() => mesh.web.metrics.closed.length === 1 && mesh.db.metrics.closed.length === 1);
  expect(mesh.web.metrics.closed).toMatchObject([{ bytesToServer: 10, bytesToClient: 10, end: 'finished' }]);
  expect(mesh.db.metrics.closed).toMatchObject([{ bytesToServer: 10, bytesToClient: 10, end: 'finished' }]);
});

test('an application that goes away before anybody consented leaves nothing behind', async () => {
  mesh = await FakeMesh.start();
  for (let index = 0; index < 30; index++) {
    const client = await mesh.connect();
    client.socket.write('hello');
    if (index % 2 === 0) client.socket.resetAndDestroy();
    else client.close();
  }
  await eventually(() => mesh.outbound.accepted === 0 && mesh.db.inbound.open === 0);
  expect(mesh.target.held).toBe(0);
  expect(mesh.web.metrics.tunnelsClosed).toEqual([]);
});
