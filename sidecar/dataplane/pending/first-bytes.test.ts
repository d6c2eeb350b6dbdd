import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

import { FakeClock } from '#base/testing/clock.fake.ts';

import { eventually } from '#base/testing/eventually.ts';
import { FirstBytes } from './first-bytes.ts';

let server: Server;
let client: Socket;
let accepted: Socket;
let clock: FakeClock;
let held: number[];
beforeEach(async () => {
  clock = new FakeClock();
  held = [];
  server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connection = once(server, 'connection') as Promise<[Socket]>;
  client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  client.on('error', () => undefined);
  [accepted] = await connection;
  accepted.on('error', () => undefined);
});
afterEach(() => {
  client.destroy();
  accepted.destroy();
  server.close();
});

/** Recognises a connection by a full stop. */
function reading(maxBytes = 1_000): FirstBytes<'sentence'> {
  return new FirstBytes(accepted, {
    recognise: (bytes, from) => (bytes.indexOf('.', from) < 0 ? undefined : 'sentence'),
    maxBytes,
    onHeld: (bytes) => held.push(bytes),
    clock,
  });
}

test('what was read is there again for whoever takes the connection over', async () => {
  const first = reading();
  const what = first.recognised(1_000);
  client.write('one ');
  await eventually(() => first.bytes.length === 4);
  client.write('two. three');
  expect(await what).toBe('sentence');
  await eventually(() => first.bytes.length === 14);
  first.giveBack();
  client.end(' four');
  const chunks: string[] = [];
  for await (const chunk of accepted.setEncoding('utf8')) chunks.push(String(chunk));
  expect(chunks.join('')).toBe('one two. three four');
});

test.each([
  ['silent', ''],
  ['incomplete', 'no end'],
])('a connection is %s when its time is over', async (outcome, words) => {
  const first = reading();
  const what = first.recognised(1_000);
  client.write(words);
  await eventually(() => first.bytes.length === words.length);
  await clock.advance(1_001);
  expect(await what).toBe(outcome);
});

test('a connection that ends before is gone', async () => {
  const what = reading().recognised(1_000);
  client.end('no end');
  expect(await what).toBe('gone');
});

test('a connection that says too much is told from others', async () => {
  const what = reading(10).recognised(1_000);
  client.write('far too many words');
  expect(await what).toBe('too-long');
});

test('one that says too much after it was recognised, and before it is taken over, is closed', async () => {
  const first = reading(10);
  const what = first.recognised(1_000);
  client.write('words.');
  expect(await what).toBe('sentence');
  client.write('and many more of them');
  await eventually(() => accepted.destroyed);
});

test('bytes that come one by one are held as one piece, of which every growth is told', async () => {
  const first = reading(5_000);
  void first.recognised(100_000);
  client.setNoDelay(true);
  for (let index = 0; index < 1_500; index++) {
    client.write('x');
    if (index % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually(() => first.bytes.length === 1_500);
  expect(held).toEqual([...held].sort((one, other) => one - other));
  expect(held.length).toBeLessThan(10);
  expect(held.at(-1)).toBeGreaterThanOrEqual(1_500);
  expect(held.at(-1)).toBeLessThanOrEqual(5_000);
});
