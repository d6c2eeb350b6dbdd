import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

import { eventually } from '#base/testing/eventually.ts';
import { LeanSocket } from './lean-socket.ts';

let server: Server;
let accepted: LeanSocket[];
let port: number;

beforeEach(async () => {
  accepted = [];
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    accepted.push(LeanSocket.of(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});

afterEach(async () => {
  for (const socket of accepted) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

async function pair(): Promise<readonly [LeanSocket, LeanSocket]> {
  const before = accepted.length;
  const client = new LeanSocket();
  client.connect({ port, host: '127.0.0.1' });
  await eventually(() => accepted.length > before && !client.connecting);
  return [client, accepted[before]!];
}

/** Keeps copies of what a socket is given. */
function collect(socket: LeanSocket): { text: string; ended: boolean } {
  const got = { text: '', ended: false };
  socket.onBytes = (chunk) => (got.text += chunk.toString('latin1'));
  socket.on('end', () => (got.ended = true));
  return got;
}

test('bytes go both ways, and so does half-close, through an accepted socket and one that connected', async () => {
  const [client, served] = await pair();
  const [atClient, atServer] = [collect(client), collect(served)];
  client.resume();
  served.resume();
  client.end('question');
  await eventually(() => atServer.ended);
  expect(atServer.text).toBe('question');
  served.end('answer');
  await eventually(() => atClient.ended && client.destroyed && served.destroyed);
  expect(atClient.text).toBe('answer');
});

test('nothing is read before it is wanted, and nothing while it is paused', async () => {
  const [client, served] = await pair();
  const got = collect(served);
  client.write('one');
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(got.text).toBe('');
  served.resume();
  await eventually(() => got.text === 'one');
  served.pause();
  client.write('two');
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(got.text).toBe('one');
  served.resume();
  await eventually(() => got.text === 'onetwo');
  client.destroy();
});

test('a socket that has much does not keep the others from their turn', async () => {
  const [fast, atServer] = await pair();
  const [small, smallAtServer] = await pair();
  const got = collect(smallAtServer);
  const rounds: number[] = [];
  let bytes = 0;
  atServer.onBytes = (chunk) => (bytes += chunk.length);
  const total = 32 * 1024 * 1024;
  fast.write(Buffer.alloc(total));
  small.write('x');
  await new Promise((resolve) => setTimeout(resolve, 100));
  const watch = () => {
    rounds.push(bytes);
    if (bytes < total) setImmediate(watch);
  };
  setImmediate(watch);
  smallAtServer.resume();
  atServer.resume();
  await eventually(() => bytes === total && got.text === 'x');
  // What was read between two turns of the loop: one buffer full, or two where a turn begins in the middle.
  const steps = rounds.map((at, index) => at - (rounds[index - 1] ?? 0));
  expect(Math.max(...steps)).toBeLessThanOrEqual(2 * 262_144);
  fast.destroy();
  small.destroy();
});

test('the server knows when its connections are gone', async () => {
  const [client, served] = await pair();
  const count = () => new Promise<number>((resolve) => server.getConnections((_error, n) => resolve(n)));
  expect(await count()).toBe(1);
  served.destroy();
  client.destroy();
  await eventually(() => served.closed);
  expect(await count()).toBe(0);
});

test('a reset arrives as an error, and not as an end', async () => {
  const [client, served] = await pair();
  const got = collect(served);
  let problem = '';
  served.on('error', (error: NodeJS.ErrnoException) => (problem = error.code ?? ''));
  served.resume();
  client.resetAndDestroy();
  await eventually(() => problem !== '');
  expect({ problem, ended: got.ended }).toEqual({ problem: 'ECONNRESET', ended: false });
});
