import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { Registry } from 'prom-client';
import express from 'express';

import { FakeClock } from '#base/testing/clock.fake.ts';

import { HttpListener, proveConnection } from './listener.ts';
import { metricsRoute } from './operations.ts';

const open: HttpListener[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const listener of open.splice(0)) await listener.close(0);
});

async function listen(app: RequestListener): Promise<number> {
  const listener = new HttpListener(app, {
    limits: { total: 100, perNetwork: 100 },
    metrics: { closed: () => undefined, open: () => undefined },
  });
  open.push(listener);
  return listener.listen(0, '127.0.0.1');
}

function dial(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

/** @returns what came back until the other side closed, or an answer was whole */
async function ask(socket: Socket, path: string): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return bytes.toString();
}

/** Only `/useful` is what the port is for. */
const app: RequestListener = (request, response) => {
  if (request.url === '/useful') proveConnection(request);
  response.end('x');
};

describe('a connection', () => {
  test('is kept after a request for which the port is there', async () => {
    const socket = dial(await listen(app));
    expect(await ask(socket, '/useful')).toContain('Connection: keep-alive');
    expect(await ask(socket, '/useful')).toContain('Connection: keep-alive');
  });

  test('ends with the answer to any other request, also where it has been useful before', async () => {
    const socket = dial(await listen(app));
    await ask(socket, '/useful');
    const ended = once(socket, 'end');
    expect(await ask(socket, '/nothing')).toContain('Connection: close');
    await ended;
  });
});

test('metrics are written once for all who ask at about the same time', async () => {
  const clock = new FakeClock();
  let written = 0;
  const routes = express();
  metricsRoute(new Registry(), () => (written += 1), clock)(routes);
  const port = await listen(routes);
  const scrape = (): Promise<string> => ask(dial(port), '/metrics');
  await Promise.all(Array.from({ length: 20 }, scrape));
  expect(written).toBe(1);
  await clock.advance(1_000);
  expect(await scrape()).toContain('200 OK');
  expect(written).toBe(2);
});
