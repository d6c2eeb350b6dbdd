import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';

import express from 'express';

import { createCsr } from '#pki/csr.ts';
import { generateKeys } from '#pki/keys.ts';

import { signingRouter } from './router.ts';
import { SigningWorld } from './signing-world.fake.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
}

describe('POST /v1/sign', () => {
  let world: SigningWorld;
  let server: Server;
  let port: number;
  beforeEach(async () => {
    world = await SigningWorld.create();
    // The tests come from loopback.
    world.service = world.serviceWith({ sourceAddressCheck: 'log' });
    const app = express();
    app.use(signingRouter(world.service));
    server = createServer(app);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  /** Sends chunks; with more than one, without a length. */
  async function post(
    chunks: readonly (string | Buffer)[],
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const [only, ...more] = chunks;
    const length =
      only !== undefined && more.length === 0 ? { 'content-length': String(Buffer.byteLength(only)) } : {};
    const request = httpRequest({
      port,
      method: 'POST',
      path: '/v1/sign',
      headers: { authorization: 'Bearer web-token', ...length, ...headers },
    });
    const answered = once(request, 'response');
    for (const chunk of chunks) request.write(chunk);
    request.end();
    const [response] = await answered;
    let text = '';
    for await (const chunk of response) text += chunk;
    return { status: response.statusCode, headers: response.headers, body: JSON.parse(text) };
  }

  it('answers a pod with its certificate, which no cache keeps', async () => {
    const answer = await post([JSON.stringify({ csr: createCsr(await generateKeys()), service: 'web' })]);
    expect(answer).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(Object.keys(answer.body).sort()).toEqual(['bundle', 'certificate', 'notAfter', 'spiffeId']);
  });

  it('takes a body in pieces', async () => {
    const body = JSON.stringify({ csr: createCsr(await generateKeys()) });
    expect(await post([body.slice(0, 100), body.slice(100)])).toMatchObject({ status: 200 });
  });

  it.each([
    ['with its length', 1],
    ['in pieces, without saying how long it is', 64],
  ])('refuses a body of 1 MB %s, and the sender hears why', async (_what, pieces) => {
    const chunks = Array.from({ length: pieces }, () => Buffer.alloc((1024 * 1024) / pieces, 'a'));
    expect(await post(chunks)).toMatchObject({ status: 413, body: { error: { code: 'too-large' } } });
    expect(world.store.calls).toEqual([]);
  });

  it('takes a body of exactly 16 KB and refuses one more byte', async () => {
    const body = (length: number) => JSON.stringify({ csr: 'a'.repeat(length - '{"csr":""}'.length) });
    expect((await post([body(16 * 1024)])).status).toBe(400);
    expect((await post([body(16 * 1024 + 1)])).status).toBe(413);
  });

  it('cuts a sender that does not stop', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /v1/sign HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const chunk = `10000\r\n${'a'.repeat(0x10000)}\r\n`;
    let sent = 0;
    const more = (): void => {
      if (!socket.writable) return;
      sent += chunk.length;
      socket.write(chunk, more);
    };
    more();
    await closed;
    // What it sent beyond the limit waited in the kernel's buffers.
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    expect(answer === '' || answer.startsWith('HTTP/1.1 413')).toBe(true);
  });

  it('survives a sender that goes away in the middle', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /v1/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"csr":');
    setTimeout(() => socket.destroy(), 50);
    while (world.lastReason === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(world.lastReason).toBe('body-incomplete');
    expect(await post([JSON.stringify({ csr: createCsr(await generateKeys()) })])).toMatchObject({
      status: 200,
    });
  });

  it('tells whoever asks too often when to come back, and closes instead of reading on', async () => {
    world.service = world.serviceWith({
      sourceAddressCheck: 'log',
      limits: { addressBurst: 1, addressPerSecond: 0.1 },
    });
    const app = express();
    app.use(signingRouter(world.service));
    server.removeAllListeners('request');
    server.on('request', app);
    await post(['{}']);
    expect(await post(['{}'.padEnd(10_000)])).toMatchObject({
      status: 429,
      headers: { 'retry-after': '10' },
    });
  });

  it('knows no other method', async () => {
    const request = httpRequest({ port, method: 'GET', path: '/v1/sign' });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(404);
  });
});
