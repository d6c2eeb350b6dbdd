import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { FakeApp } from '../../testing/app.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { resetSocket, wasReset } from './reset.ts';

/** Leans on what Node keeps to itself; these tests say whether a version of Node still has it. */

let app: FakeApp;
let here: Socket;
let there: Socket;
let failure: string | undefined;
let ended: boolean;
beforeEach(async () => {
  app = await new FakeApp(() => undefined).start();
  there = connect({ port: app.port, host: '127.0.0.1', allowHalfOpen: true });
  failure = undefined;
  ended = false;
  there.on('error', (error: NodeJS.ErrnoException) => (failure = error.code));
  there.on('end', () => (ended = true));
  await eventually(() => app.seen === 1);
  [here] = app.sockets as [Socket];
});
afterEach(async () => {
  there.destroy();
  await app.stop();
});

test('the other end sees a reset, not an end', async () => {
  there.resume();
  resetSocket(here);
  await eventually(() => failure === 'ECONNRESET');
  expect(ended).toBe(false);
});

test('bytes that the other end does not take hold nothing up', async () => {
  here.write(Buffer.alloc(32 * 1024 * 1024));
  await pause(50);
  resetSocket(here);
  await eventually(() => here.closed);
  there.resume();
  await eventually(() => failure === 'ECONNRESET' || wasReset(there));
});

test('neither does an end that waits behind such bytes', async () => {
  here.end(Buffer.alloc(32 * 1024 * 1024));
  await pause(50);
  resetSocket(here);
  await eventually(() => here.closed);
});

test('a reset right behind data is told from an end', async () => {
  there.resume();
  here.write('half an answer', () => resetSocket(here));
  await eventually(() => failure === 'ECONNRESET' || (ended && wasReset(there)));
});

test('an end is no reset', async () => {
  there.resume();
  here.end('a whole answer');
  await eventually(() => ended);
  expect(wasReset(there)).toBe(false);
});

test('twice is once, and a socket that never connected is just closed', async () => {
  resetSocket(here);
  resetSocket(here);
  const connecting = connect({ port: app.port, host: '127.0.0.1' });
  resetSocket(connecting);
  await eventually(() => connecting.destroyed && here.destroyed);
});
