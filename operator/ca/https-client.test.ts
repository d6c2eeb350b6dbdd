import { once } from 'node:events';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { FakeClock } from '#base/testing/clock.fake.ts';
import { systemClock } from '#base/clock.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { HttpsClient, UnreachableError } from './https-client.ts';

describe('a question to an authority', () => {
  const servers: Server[] = [];
  const clients: HttpsClient[] = [];
  afterEach(async () => {
    for (const each of clients.splice(0)) each.close();
    for (const each of servers.splice(0)) {
      each.closeAllConnections();
      each.close();
    }
  });

  async function serve(
    listener: RequestListener,
  ): Promise<{ address: string; caPem: string; server: Server }> {
    const pki = await TestPki.create();
    const { certChainPem, keyPem } = await pki.serving(['authority.test']);
    const server = createServer({ cert: certChainPem, key: keyPem }, listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    const { port } = server.address() as AddressInfo;
    return { address: `https://127.0.0.1:${port}`, caPem: pki.rootPem, server };
  }

  function clientOf(
    { address, caPem }: { address: string; caPem: string },
    { clock = systemClock, tlsServerName = 'authority.test' } = {},
  ): HttpsClient {
    const made = new HttpsClient('It', { address, caCertificate: caPem, tlsServerName }, clock);
    clients.push(made);
    return made;
  }

  const get = { method: 'GET', path: '/x' } as const;

  test('is sent as JSON, and answered with JSON or nothing', async () => {
    const served = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        response.statusCode = 201;
        response.end(
          body === ''
            ? 'no JSON'
            : JSON.stringify({ got: JSON.parse(body), type: request.headers['content-type'] }),
        );
      });
    });
    const client = clientOf(served);
    expect(await client.ask({ method: 'POST', path: '/x', body: { ü: 1 } })).toEqual({
      status: 201,
      body: { got: { ü: 1 }, type: 'application/json' },
    });
    expect(await client.ask(get)).toEqual({ status: 201, body: undefined });
  });

  test('is not sent where the certificate is another’s', async () => {
    let asked = 0;
    const served = await serve((_request, response) => {
      asked += 1;
      response.end();
    });
    const stranger = (await TestPki.create()).rootPem;
    await expect(clientOf({ ...served, caPem: stranger }).ask(get)).rejects.toThrow(UnreachableError);
    await expect(clientOf(served, { tlsServerName: 'other.test' }).ask(get)).rejects.toThrow('other.test');
    expect(asked).toBe(0);
  });

  test('does not follow to another address', async () => {
    const served = await serve((_request, response) =>
      response.writeHead(307, { location: 'https://127.0.0.1:1/' }).end(),
    );
    expect(await clientOf(served).ask(get)).toEqual({ status: 307, body: undefined });
  });

  test('takes no endless answer', async () => {
    const served = await serve((_request, response) => {
      const chunk = Buffer.alloc(65_536);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        response.once('drain', more);
      };
      more();
    });
    await expect(clientOf(served).ask(get)).rejects.toThrow('longer than 1048576 bytes');
  });

  test('waits ten seconds, for the head and for the rest', async () => {
    for (const begin of [false, true]) {
      let asked: () => void = () => undefined;
      const arrived = new Promise<void>((resolve) => (asked = resolve));
      const served = await serve((_request, response) => {
        if (begin) response.write('{');
        asked();
      });
      const clock = new FakeClock();
      const answer = clientOf(served, { clock }).ask(get);
      const refused = expect(answer).rejects.toThrow('It at https://127.0.0.1:');
      await arrived;
      await clock.advance(10_000);
      await refused;
      await expect(answer).rejects.toThrow('no answer within 10 s');
      expect(clock.pendingTimers).toBe(0);
    }
  });

  test('ends when the asker gives up', async () => {
    const served = await serve(() => undefined);
    const giveUp = new AbortController();
    const answer = clientOf(served).ask({ ...get, signal: giveUp.signal });
    setTimeout(() => giveUp.abort(new Error('enough')), 50);
    await expect(answer).rejects.toThrow('enough');
  });

  test('is asked again, once, when the kept connection had died', async () => {
    const sockets: Socket[] = [];
    let asked = 0;
    const served = await serve((request, response) => {
      asked += 1;
      // The connection dies after the question came and before the answer goes: the client cannot know.
      if (asked === 2) request.socket.destroy();
      else response.end('{}');
    });
    served.server.on('secureConnection', (socket: Socket) => sockets.push(socket));
    const client = clientOf(served);
    await client.ask(get);
    expect(await client.ask(get)).toEqual({ status: 200, body: {} });
    expect(asked).toBe(3);
    expect(sockets).toHaveLength(2);
  });

  test('is not asked again when a new connection dies', async () => {
    let asked = 0;
    const served = await serve((request) => {
      asked += 1;
      request.socket.destroy();
    });
    await expect(clientOf(served).ask(get)).rejects.toThrow(UnreachableError);
    expect(asked).toBe(1);
  });
});
