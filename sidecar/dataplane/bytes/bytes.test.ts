import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';

import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { noise } from '../../testing/sources.fake.ts';

/** What applications may do with a connection, through two sidecars, as if there were none. */

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { halfOpenIdleMs: 60_000 } });
});
afterEach(() => mesh.stop());

function appSocket(): Socket {
  return mesh.db.app.sockets[0]!;
}

test('client half-close before anything else: the answer comes', async () => {
  mesh.db.app.onConnection((socket) => socket.resume().on('end', () => socket.end('bye')));
  const client = await mesh.connect();
  client.socket.end();
  expect(await client.ended()).toBe('end');
  expect(client.text).toBe('bye');
});

test('client half-close: the server answers after the client has ended', async () => {
  mesh.db.app.onConnection((socket) => {
    let asked = '';
    socket.on('data', (chunk: Buffer) => (asked += chunk.toString()));
    socket.on('end', () => setTimeout(() => socket.end(`answer to ${asked}`), 50));
  });
  const client = await mesh.connect();
  client.socket.end('question');
  expect(await client.ended()).toBe('end');
  expect(client.text).toBe('answer to question');
});

test('client half-close with return traffic: much comes back after the client has ended', async () => {
  const data = noise(8 * 1024 * 1024);
  mesh.db.app.onConnection((socket) => {
    socket.resume();
    socket.on('end', () => socket.end(data));
  });
  const client = await mesh.connect();
  client.socket.end();
  expect(await client.ended()).toBe('end');
  expect(client.received.equals(data)).toBe(true);
});

test('server half-close: the client goes on sending after the server has ended', async () => {
  let received = '';
  mesh.db.app.onConnection((socket) => {
    socket.end('bye');
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
  });
  const client = await mesh.connect();
  expect(await client.ended()).toBe('end');
  expect(client.text).toBe('bye');
  client.socket.end('and yet');
  await eventually(() => received === 'and yet');
});

test('both ends closing leaves a finished connection, with its bytes counted', async () => {
  const client = await mesh.connect();
  await client.exchange('12345');
  client.socket.end();
  await client.ended();
  await eventually(() => mesh.db.metrics.closed.length === 1 && mesh.web.metrics.closed.length === 1);
  for (const { closed } of [mesh.db.metrics, mesh.web.metrics]) {
    expect(closed).toMatchObject([{ end: 'finished', bytesToServer: 5, bytesToClient: 5 }]);
  }
});

test('abortive close of the client reaches the server as a reset', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  const app = appSocket();
  let failure: string | undefined;
  app.on('error', (error: NodeJS.ErrnoException) => (failure = error.code));
  client.socket.resetAndDestroy();
  await eventually(() => failure !== undefined);
  expect(failure).toBe('ECONNRESET');
  await eventually(() => mesh.db.metrics.closed.length === 1);
  expect(mesh.db.metrics.closed).toMatchObject([{ end: 'reset' }]);
});

test('abortive close of the server reaches the client as a reset', async () => {
  const client = await mesh.connect();
  await client.exchange('hello');
  appSocket().resetAndDestroy();
  expect(await client.ended()).toBe('reset');
});

test('what the server sent before its abortive close still arrives, and then the reset', async () => {
  const client = await mesh.connect();
  await client.exchange('question');
  appSocket().write('413 too much', () => appSocket().resetAndDestroy());
  expect(await client.ended()).toBe('reset');
  expect(client.text).toBe('question413 too much');
});

test('a server that speaks first is heard by a client that says nothing', async () => {
  mesh.db.app.onConnection((socket) => socket.write('220 ready'));
  const client = await mesh.connect();
  await eventually(() => client.text === '220 ready');
});

test('tiny writes arrive in order', async () => {
  const client = await mesh.connect();
  const text = Array.from({ length: 3_000 }, (_, index) => String(index % 10)).join('');
  for (const letter of text) client.socket.write(letter);
  await eventually(() => client.received.length === text.length);
  expect(client.text).toBe(text);
});

test('a large transfer arrives intact, and memory stays bounded', async () => {
  const chunk = noise(256 * 1024);
  const chunks = 1024;
  const client = await mesh.connect();
  client.socket.removeAllListeners('data');
  const sent = createHash('sha256');
  const received = createHash('sha256');
  let bytes = 0;
  let most = 0;
  const before = process.memoryUsage().rss;
  client.socket.on('data', (part: Buffer) => {
    received.update(part);
    bytes += part.length;
    most = Math.max(most, process.memoryUsage.rss());
  });
  for (let index = 0; index < chunks; index++) {
    chunk.writeUInt32BE(index);
    sent.update(chunk);
    if (!client.socket.write(Buffer.from(chunk)))
      await new Promise((resolve) => client.socket.once('drain', resolve));
  }
  client.socket.end();
  await eventually(() => client.socket.readableEnded, { withinMs: 120_000 });
  expect(bytes).toBe(chunks * chunk.length);
  expect(received.digest('hex')).toBe(sent.digest('hex'));
  expect((most - before) / 1024 / 1024).toBeLessThan(200);
}, 180_000);

test('a slow reader stops the sender, and gets everything in the end', async () => {
  const total = 64 * 1024 * 1024;
  const chunk = noise(1024 * 1024);
  let written = 0;
  mesh.db.app.onConnection((socket) => {
    const more = () => {
      while (written < total) {
        written += chunk.length;
        if (!socket.write(chunk)) return void socket.once('drain', more);
      }
      socket.end();
    };
    more();
  });
  const client = await mesh.connect();
  client.socket.removeAllListeners('data');
  client.socket.pause();
  await pause(1_000);
  const stoppedAt = written;
  await pause(300);
  expect(written).toBe(stoppedAt);
  expect(stoppedAt).toBeLessThan(total / 2);
  let read = 0;
  client.socket.on('data', (part: Buffer) => (read += part.length));
  client.socket.resume();
  await eventually(() => client.socket.readableEnded, { withinMs: 60_000 });
  expect(read).toBe(total);
}, 90_000);

test('a slow writer is waited for', async () => {
  const client = await mesh.connect();
  for (let index = 0; index < 5; index++) {
    await client.exchange('.');
    await pause(60);
  }
  expect(client.text).toBe('.....');
});

test('a connection that fell silent after one side ended is given up in the end', async () => {
  await mesh.stop();
  mesh = await FakeMesh.start({ settings: { halfOpenIdleMs: 200 } });
  mesh.db.app.onConnection((socket) => socket.resume());
  const client = await mesh.connect();
  client.socket.end('bye');
  expect(await client.ended()).toBe('reset');
});

test('a connection that is silent but whole stays', async () => {
  await mesh.stop();
  mesh = await FakeMesh.start({ settings: { halfOpenIdleMs: 50 } });
  const client = await mesh.connect();
  await client.exchange('hello');
  await pause(400);
  expect((await client.exchange('still here')).toString()).toBe('still here');
});

test('the server vanishing in the middle of an answer is no proper end', async () => {
  mesh.db.app.onConnection((socket) => {
    socket.write(noise(300_000), () => socket.resetAndDestroy());
  });
  const client = await mesh.connect();
  expect(await client.ended()).toBe('reset');
});

test('a client that leaves at once leaves nothing behind', async () => {
  for (let index = 0; index < 20; index++) (await mesh.connect()).close();
  await eventually(
    () => mesh.outbound.accepted === 0 && mesh.db.inbound.accepted === mesh.db.inbound.tunnels,
  );
});
