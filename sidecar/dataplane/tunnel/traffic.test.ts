import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';

import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { heldMegabytes } from '../../testing/memory.fake.ts';
import { noise } from '../../testing/sources.fake.ts';

/** Streams of one tunnel do not get in each other's way, and nothing piles up. */

const MIB = 1_048_576;

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { maxTunnels: 1 } });
});
afterEach(async () => {
  await mesh.stop();
  expect(mesh.web.metrics.handshakes).toBe(1);
});

/** Writes as the socket takes it, until so many bytes were written; tells how many so far. */
function pour(socket: Socket, total: number, chunk: Buffer): { written: number } {
  const progress = { written: 0 };
  const more = () => {
    while (progress.written < total && !socket.destroyed) {
      progress.written += chunk.length;
      if (!socket.write(chunk)) return void socket.once('drain', more);
    }
  };
  more();
  return progress;
}

test('a reader that stops keeps nobody else waiting, and costs no memory', async () => {
  const poured: { written: number }[] = [];
  mesh.db.app.onConnection((socket) => {
    socket.once('data', (data: Buffer) => {
      if (data.toString() === 'all') poured.push(pour(socket, 256 * MIB, noise(MIB)));
      else socket.pipe(socket).write(data);
    });
  });
  const quick = await mesh.connect();
  await quick.exchange('hello');
  const before = await heldMegabytes();
  const stopped = await Promise.all(Array.from({ length: 20 }, () => mesh.connect()));
  for (const client of stopped) {
    client.socket.removeAllListeners('data').pause();
    client.socket.write('all');
  }
  await eventually(() => poured.length === 20);
  const sum = () => poured.reduce((total, { written }) => total + written, 0);
  await pause(300);
  for (let last = -1; last !== sum(); await pause(300)) last = sum();
  expect(sum()).toBeLessThan(20 * 32 * MIB);
  // The chunks that the applications of this test wait to write are theirs.
  const held = (await heldMegabytes()) - before - 20;
  expect(held).toBeLessThan(20 * 3);
  const started = Date.now();
  for (let round = 0; round < 20; round++) await quick.exchange(`hello ${round}`);
  expect(Date.now() - started).toBeLessThan(5_000);
  const large = noise(2 * MIB);
  const answer = await quick.exchange(large);
  expect(answer.subarray(-large.length).equals(large)).toBe(true);
}, 90_000);

test('sixty-four megabytes each way at the same time arrive as they were sent', async () => {
  const total = 64 * MIB;
  const chunk = noise(256 * 1_024);
  const sum = (socket: Socket) => {
    const hash = createHash('sha256');
    const heard = { bytes: 0, sha: () => hash.digest('hex') };
    socket.on('data', (data: Buffer) => {
      hash.update(data);
      heard.bytes += data.length;
    });
    return heard;
  };
  let there: ReturnType<typeof sum> | undefined;
  mesh.db.app.onConnection((socket) => {
    there = sum(socket);
    pour(socket, total, chunk);
  });
  const client = await mesh.connect();
  client.socket.removeAllListeners('data');
  const here = sum(client.socket);
  pour(client.socket, total, chunk);
  await eventually(() => here.bytes === total && there?.bytes === total, { withinMs: 90_000 });
  const expected = createHash('sha256');
  for (let index = 0; index < 256; index++) expected.update(chunk);
  const wanted = expected.digest('hex');
  expect([here.sha(), there!.sha()]).toEqual([wanted, wanted]);
}, 120_000);

test('many streams with bytes of all sizes, each its own, all at once', async () => {
  const clients = await Promise.all(Array.from({ length: 40 }, () => mesh.connect()));
  const texts = clients.map((_, index) => noise(1 + 7_001 * index));
  await Promise.all(
    clients.map(async (client, index) => {
      const text = texts[index]!;
      for (let at = 0; at < text.length;) {
        const size = 1 + ((at * 31 + index * 977) % 9_000);
        client.socket.write(text.subarray(at, at + size));
        at += size;
        if (at % 3 === 0) await pause(1);
      }
      client.socket.end();
      await eventually(() => client.ending !== 'open', { withinMs: 30_000 });
    }),
  );
  expect(clients.map(({ ending }) => ending)).toEqual(clients.map(() => 'end'));
  expect(clients.every((client, index) => client.received.equals(texts[index]!))).toBe(true);
}, 60_000);

test('a stream that is reset in the middle of much takes no other one with it', async () => {
  const steady = await mesh.connect();
  // Its application has it before the next one does something else.
  await steady.exchange('hello');
  for (let round = 0; round < 12; round++) {
    mesh.db.app.onConnection((socket) => {
      pour(socket, 16 * MIB, noise(65_536));
      socket.resume();
    });
    const brief = await mesh.connect();
    brief.socket.write(noise(100_000));
    await eventually(() => brief.received.length > 200_000);
    if (round % 2 === 0) brief.socket.resetAndDestroy();
    else mesh.db.app.sockets.at(-1)!.resetAndDestroy();
    await steady.exchange(`round ${round}`);
  }
  await eventually(() => mesh.db.inbound.open === 1 && mesh.outbound.open === 1);
}, 60_000);
