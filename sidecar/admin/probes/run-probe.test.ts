import { createServer as createHttp } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { connect, createServer as createTcp } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { readHeader } from '../../dataplane/inbound/testing/proxy-header.fake.ts';
import type { ReadHeader } from '../../dataplane/inbound/testing/proxy-header.fake.ts';
import { parseProbes } from '../../config/probe.ts';
import type { Probe } from '../../config/probe.ts';
import { runProbe } from './run-probe.ts';

const HERE = [{ address: '127.0.0.1' }];
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server)
      (server as Server & { closeAllConnections(): void }).closeAllConnections();
    server.close();
  }
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const KEY = 'app/liveness-0123456789abcdef0123456789abcdef';

function probeOf(action: object, timeoutSeconds = 1): Probe {
  return parseProbes(JSON.stringify({ [KEY]: { ...action, timeoutSeconds } })).get(KEY)!;
}

const http = (port: number, more: object = {}) =>
  probeOf({ httpGet: { port, path: '/ready?full=1', ...more } });

describe('HTTP', () => {
  test.each([
    [200, true],
    [204, true],
    [302, true],
    [399, true],
    [400, false],
    [404, false],
    [500, false],
  ])('an answer of %i is good: %s', async (status, ok) => {
    let hits = 0;
    const port = await listen(
      createHttp((_request, response) => {
        hits++;
        response.writeHead(status, { location: '/elsewhere' }).end();
      }),
    );
    expect(await runProbe(http(port), HERE)).toMatchObject({ ok });
    expect(hits).toBe(1);
  });

  test('path, query and headers are those of the probe; Host may be replaced', async () => {
    const seen: IncomingMessage[] = [];
    const port = await listen(
      createHttp((request, response) => void (seen.push(request), response.end('ok'))),
    );
    const httpHeaders = [
      { name: 'Host', value: 'shop.example' },
      { name: 'X-Probe', value: 'one' },
      { name: 'X-Probe', value: 'two' },
    ];
    await runProbe(http(port, { httpHeaders }), HERE);
    expect(seen[0]).toMatchObject({ url: '/ready?full=1', method: 'GET' });
    expect(seen[0]?.headers).toMatchObject({
      host: 'shop.example',
      'x-probe': 'one, two',
      'user-agent': 'kube-probe/mesh',
    });
  });

  test('an endless answer is good and is not read', async () => {
    const endless = (_request: IncomingMessage, response: ServerResponse) => {
      const timer = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => clearInterval(timer));
      response.writeHead(200).write('x');
    };
    const port = await listen(createHttp(endless));
    expect(await runProbe(http(port), HERE)).toMatchObject({ ok: true });
  });

  test('HTTPS is asked without checking the certificate', async () => {
    const { certChainPem: cert, keyPem: key } = await (await TestPki.create()).serving(['elsewhere.example']);
    const port = await listen(createHttps({ cert, key }, (_request, response) => void response.end('ok')));
    expect(await runProbe(http(port, { scheme: 'HTTPS' }), HERE)).toMatchObject({ ok: true });
    expect(await runProbe(http(port), HERE)).toMatchObject({ ok: false });
  });

  test('no answer in time is bad', async () => {
    const port = await listen(createTcp());
    const from = Date.now();
    expect(await runProbe(probeOf({ httpGet: { port } }, 0.2), HERE)).toEqual({
      ok: false,
      message: `no answer from port ${port} within 200 ms`,
    });
    expect(Date.now() - from).toBeLessThan(2_000);
  });

  test('nobody listening is bad, and another address of the pod is tried', async () => {
    const port = await listen(createHttp((_request, response) => void response.end('ok')));
    expect(await runProbe(http(port), [{ address: '127.0.9.9' }])).toMatchObject({
      ok: false,
      message: expect.stringContaining('connection refused'),
    });
    expect(await runProbe(http(port), [{ address: '127.0.9.9' }, ...HERE])).toMatchObject({ ok: true });
  });
});

describe('TCP', () => {
  test('a connection is good', async () => {
    const port = await listen(createTcp());
    expect(await runProbe(probeOf({ tcpSocket: { port } }), HERE)).toMatchObject({ ok: true });
  });

  test('a refusal is bad', async () => {
    const port = await listen(createTcp());
    servers.pop()?.close();
    expect(await runProbe(probeOf({ tcpSocket: { port } }), HERE)).toMatchObject({ ok: false });
  });
});

describe('gRPC', () => {
  const statusByService: Record<string, number> = { '': 1, down: 2 };
  const health = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
    let body = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => (body = Buffer.concat([body, chunk])));
    stream.on('end', () => {
      const service = body.length > 5 ? body.subarray(7).toString() : '';
      const status = statusByService[service];
      const isHealth =
        headers[':path'] === '/grpc.health.v1.Health/Check' && headers['content-type'] === 'application/grpc';
      if (status === undefined || !isHealth) {
        stream.respond(
          { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' },
          { endStream: true },
        );
        return;
      }
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, status]));
    });
  };
  const start = () => {
    const server = createHttp2();
    server.on('stream', health);
    return listen(server);
  };

  test.each([
    ['serving', '', true, /SERVING/],
    ['not serving', 'down', false, /NOT_SERVING/],
    ['an unknown service', 'nobody', false, /gRPC status 5/],
  ])('%s', async (_title, service, ok, message) => {
    const result = await runProbe(probeOf({ grpc: { port: await start(), service } }), HERE);
    expect(result).toMatchObject({ ok, message: expect.stringMatching(message) });
  });

  test('a server of another protocol is bad', async () => {
    const port = await listen(createHttp((_request, response) => void response.end('ok')));
    expect(await runProbe(probeOf({ grpc: { port } }), HERE)).toMatchObject({ ok: false });
  });

  test('a silent server is given up', async () => {
    const port = await listen(createTcp());
    expect(await runProbe(probeOf({ grpc: { port } }, 0.2), HERE)).toMatchObject({
      ok: false,
      message: expect.stringContaining('within 200 ms'),
    });
  });

  test('nobody listening is bad', async () => {
    const port = await listen(createTcp());
    servers.pop()?.close();
    expect(await runProbe(probeOf({ grpc: { port } }), HERE)).toMatchObject({
      ok: false,
      message: expect.stringContaining('connection refused'),
    });
  });
});

describe('of a port that expects a PROXY protocol header', () => {
  /** Reads the header as such an application does, and passes what follows to a server; closes where there is none. */
  async function behindHeader(server: Server, seen: ReadHeader[]): Promise<number> {
    const inner = await listen(server);
    return listen(
      createTcp((socket) => {
        let bytes = Buffer.alloc(0);
        const read = (chunk: Buffer): void => {
          bytes = Buffer.concat([bytes, chunk]);
          let header: ReadHeader | undefined;
          try {
            header = readHeader(bytes);
          } catch {
            socket.destroy();
          }
          if (!header) return;
          seen.push(header);
          socket.off('data', read);
          const rest = connect(inner, '127.0.0.1').on('error', () => undefined);
          rest.write(header.rest);
          socket.pipe(rest).pipe(socket);
        };
        socket.on('error', () => undefined).on('data', read);
      }),
    );
  }
  const local = { command: 'LOCAL', family: 'UNSPEC', tlvs: new Map() };

  test.each([
    ['HTTP', 'HTTP'],
    ['HTTPS', 'HTTPS'],
  ])('%s comes behind one with the command LOCAL', async (_title, scheme) => {
    const seen: ReadHeader[] = [];
    const urls: (string | undefined)[] = [];
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      urls.push(request.url);
      response.end('ok');
    };
    const { certChainPem: cert, keyPem: key } = await (await TestPki.create()).serving(['x.example']);
    const server = scheme === 'HTTP' ? createHttp(answer) : createHttps({ cert, key }, answer);
    const port = await behindHeader(server, seen);
    const probe = http(port, { scheme });
    expect(await runProbe(probe, HERE, new Set([port]))).toMatchObject({ ok: true });
    expect(urls).toEqual(['/ready?full=1']);
    expect(seen).toEqual([expect.objectContaining(local)]);
    expect(await runProbe(probe, HERE, new Set([port + 1]))).toMatchObject({ ok: false });
  });

  test('TCP: the connection is closed behind the header', async () => {
    const seen: ReadHeader[] = [];
    const port = await behindHeader(createTcp(), seen);
    const probe = probeOf({ tcpSocket: { port } });
    expect(await runProbe(probe, HERE, new Set([port]))).toMatchObject({ ok: true });
    while (seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(seen).toEqual([expect.objectContaining(local)]);
  });

  test('gRPC', async () => {
    const seen: ReadHeader[] = [];
    const server = createHttp2();
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, 1]));
    });
    const port = await behindHeader(server, seen);
    const result = await runProbe(probeOf({ grpc: { port } }), HERE, new Set([port]));
    expect(result).toMatchObject({ ok: true, message: expect.stringContaining('SERVING') });
    expect(seen).toEqual([expect.objectContaining(local)]);
  });
});

describe('what cannot be read', () => {
  test.each([
    ['{', /not JSON/],
    ['[]', /write an object/],
    ['{"app/other-0123456789abcdef0123456789abcdef":{"tcpSocket":{"port":1}}}', /liveness/],
    ['{"app/liveness":{"tcpSocket":{"port":1}}}', /hexadecimal/],
    [`{"${KEY}":{}}`, /exactly one/],
    [`{"${KEY}":{"tcpSocket":{"port":1},"grpc":{"port":1}}}`, /exactly one/],
    [`{"${KEY}":{"tcpSocket":{"port":"http"}}}`, /port/],
    [`{"${KEY}":{"tcpSocket":{"port":1},"timeoutSeconds":0}}`, /timeoutSeconds/],
    [`{"${KEY}":{"httpGet":{"port":1,"scheme":"FTP"}}}`, /scheme/],
    [`{"${KEY}":{"httpGet":{"port":1,"httpHeaders":[{"name":"a b","value":""}]}}}`, /cannot be sent/],
    [`{"${KEY}":{"httpGet":{"port":1,"httpHeaders":[{"name":"a","value":"x\\r\\ny"}]}}}`, /cannot be sent/],
  ])('%s is refused with a reason', (text, message) => {
    expect(() => parseProbes(text)).toThrow(message);
  });

  test('hooks are read too, when their names end in a secret', () => {
    const secret = 'a'.repeat(32);
    expect(parseProbes(`{"app/pre-stop-${secret}":{"httpGet":{"port":1}}}`).size).toBe(1);
    expect(() => parseProbes('{"app/pre-stop":{"httpGet":{"port":1}}}')).toThrow();
  });
});
