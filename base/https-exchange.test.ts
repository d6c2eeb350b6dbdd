import { once } from 'node:events';
import { Agent, createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

import { ResponseTooLongError, StaleConnectionError, httpsExchange } from './https-exchange.ts';
import { selfSignedPair } from './testing/serving-cert.fake.ts';

let server: Server;
let port: number;
let ca: string;
const sockets = new Set<Socket>();

beforeAll(async () => {
  const { certPem, keyPem } = await selfSignedPair();
  ca = certPem;
  server = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    if (request.url === '/half') response.write('half', () => response.destroy());
    else request.pipe(response);
  });
  server.on('secureConnection', (socket: Socket) => sockets.add(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const exchange = (body: string, options: object = {}) =>
  httpsExchange(
    { host: '127.0.0.1', port, method: 'POST', path: '/', ca, agent: false, ...options },
    { body, maxBytes: 1_000 },
  );

test('a response is read whole', async () => {
  expect(await exchange('hello')).toMatchObject({ status: 200, text: 'hello' });
});

test('a response as long as the limit is read, and of a longer one no more', async () => {
  expect((await exchange('x'.repeat(1_000))).text).toHaveLength(1_000);
  await expect(exchange('x'.repeat(1_000_000))).rejects.toThrow(ResponseTooLongError);
});

test('a response that breaks off is an error, never a short text', async () => {
  await expect(exchange('', { path: '/half' })).rejects.toThrow();
});

test('a server that another authority vouches for is refused', async () => {
  const { certPem } = await selfSignedPair();
  await expect(exchange('hello', { ca: certPem })).rejects.toThrow(/certificate/);
});

test('a kept connection that the server has closed meanwhile is reported as such', async () => {
  const agent = new Agent({ keepAlive: true });
  await exchange('first', { agent });
  for (const socket of sockets) socket.destroy();
  await expect(exchange('second', { agent })).rejects.toThrow(StaleConnectionError);
  agent.destroy();
});
