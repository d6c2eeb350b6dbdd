import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';

import express from 'express';

import { eventually } from '#base/testing/eventually.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys } from '#pki/keys.ts';

import { BodyBudget } from '../server/body-budget.ts';
import { signingRouter } from './router.ts';
import { SigningWorld } from './signing-world.fake.ts';

interface SignResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
}

describe('POST /v1/sign', () => {
  let world: SigningWorld;
  let server: Server;
  let port: number;
  let budget: BodyBudget;
  const refused: string[] = [];
  beforeEach(async () => {
    world = await SigningWorld.create();
    budget = new BodyBudget({ total: 64 * 1024, perNetwork: 64 * 1024 });
    refused.length = 0;
    // The tests come from loopback.
    world.service = world.serviceWith({ sourceAddressCheck: 'log' });
    const app = express();
    app.use(signingRouter(world.service, { budget, refused: (reason) => refused.push(reason) }));
    server = createServer(app);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const bearer = (secret = 'web-token'): string => `Bearer ${world.tokenOf(secret)}`;

  /** Sends chunks; with more than one, without a length. */
  async function post(
    chunks: readonly (string | Buffer)[],
    headers: Record<string, string> = {},
  ): Promise<SignResponse> {
    const [only, ...more] = chunks;
    const length =
      only !== undefined && more.length === 0 ? { 'content-length': String(Buffer.byteLength(only)) } : {};
    const request = httpRequest({
      port,
      method: 'POST',
      path: '/v1/sign',
      headers: { authorization: bearer(), ...length, ...headers },
    });
    const answered = once(request, 'response');
    for (const chunk of chunks) request.write(chunk);
    request.end();
    const [response] = await answered;
    let text = '';
    for await (const chunk of response) text += chunk;
    return { status: response.statusCode, headers: response.headers, body: JSON.parse(text) };
  }

  test('answers a pod with its certificate, which no cache keeps', async () => {
    const answer = await post([JSON.stringify({ csr: createCsr(await generateKeys()), service: 'web' })]);
    expect(answer).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(Object.keys(answer.body).sort()).toEqual(['bundle', 'certificate', 'notAfter', 'spiffeId']);
  });

  test('refuses a body of 1 MB, and the sender hears why', async () => {
    expect(await post([Buffer.alloc(1024 * 1024, 'a')])).toMatchObject({
      status: 413,
      headers: { connection: 'close' },
      body: { error: { code: 'too-large' } },
    });
    expect(world.store.calls).toEqual([]);
  });

  test('refuses a body of which nobody says how long it will be', async () => {
    const body = JSON.stringify({ csr: createCsr(await generateKeys()) });
    expect(await post([body.slice(0, 100), body.slice(100)])).toMatchObject({ status: 400 });
    expect([world.lastReason, refused]).toEqual(['body-length-missing', ['length-required']]);
  });

  test('takes a body of exactly 16 KB and refuses one more byte', async () => {
    const body = (length: number) => JSON.stringify({ csr: 'a'.repeat(length - '{"csr":""}'.length) });
    expect((await post([body(16 * 1024)])).status).toBe(400);
    expect((await post([body(16 * 1024 + 1)])).status).toBe(413);
  });

  test('refuses a token that cannot be right without reading a byte of the body', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(
      'POST /v1/sign HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x.y.z\r\nContent-Length: 100\r\n\r\n',
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 401 .*connection: close/is);
    expect([world.lastReason, budget.used, world.store.calls]).toEqual(['token-malformed', 0, []]);
    socket.destroy();
  });

  test('gives the place of a body that does not come to one that does', async () => {
    const silent = connect(port, '127.0.0.1');
    const head = `POST /v1/sign HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer()}\r\nContent-Length: 16000\r\n\r\n`;
    let heard = '';
    silent.on('data', (chunk: Buffer) => (heard += chunk.toString())).on('error', () => undefined);
    silent.write(head);
    await eventually(() => budget.used > 0);
    const others = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    for (const other of others) other.write(head);
    await eventually(() => heard.includes('\r\n\r\n'));
    expect(heard).toMatch(/^HTTP\/1\.1 429 .*retry-after: 1/is);
    expect(refused).toContain('evicted');
    const body = JSON.stringify({ csr: createCsr(await generateKeys()) });
    expect((await post([body])).status).toBe(200);
    for (const socket of [silent, ...others]) socket.destroy();
  });

  test('survives a sender that goes away in the middle', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(
      `POST /v1/sign HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer()}\r\nContent-Length: 100\r\n\r\n{"csr":`,
    );
    setTimeout(() => socket.destroy(), 50);
    while (world.lastReason === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(world.lastReason).toBe('body-incomplete');
    expect(await post([JSON.stringify({ csr: createCsr(await generateKeys()) })])).toMatchObject({
      status: 200,
    });
  });

  test('tells whoever asks too often when to come back, and closes instead of reading on', async () => {
    world.service = world.serviceWith({
      sourceAddressCheck: 'log',
      limits: { addressBurst: 1, addressPerSecond: 0.1 },
    });
    const app = express();
    app.use(signingRouter(world.service, { budget, refused: (reason) => refused.push(reason) }));
    server.removeAllListeners('request');
    server.on('request', app);
    await post(['{}']);
    expect(await post(['{}'.padEnd(10_000)])).toMatchObject({
      status: 429,
      headers: { 'retry-after': '10', connection: 'close' },
    });
  });

  test('knows no other method', async () => {
    const request = httpRequest({ port, method: 'GET', path: '/v1/sign' });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(404);
  });
});
