import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { FakeClock } from '#base/testing/clock.fake.ts';
import { systemClock } from '#base/clock.ts';
import { KubeConnectionError } from '../errors.ts';
import { FakeApiServer } from '../testing/fake-api.fake.ts';
import type { FakeApiOptions } from '../testing/fake-api.fake.ts';
import { selfSignedPair } from '#base/testing/serving-cert.fake.ts';
import { TcpProxy } from '#base/testing/tcp-proxy.fake.ts';
import { Transport } from './transport.ts';
import { NAMESPACES, PODS } from '../types.ts';
import { eventually } from '#base/testing/eventually.ts';
import { failure } from '#base/testing/failure.ts';

let pair: { certPem: string; keyPem: string };
let fake: FakeApiServer;
const cleanUps: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  pair = await selfSignedPair();
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

type Protocol = 'plain' | 'http/1.1' | 'h2';

async function started(protocol: Protocol, options: Partial<FakeApiOptions['tls']> = {}): Promise<void> {
  fake = await FakeApiServer.started(protocol === 'plain' ? {} : { tls: { ...pair, protocol, ...options } });
  cleanUps.push(() => fake.close());
}

function watchPods(resourceVersion: string): Promise<unknown> {
  return failure(
    (async () => {
      for await (const event of fake.api.watch(PODS, { resourceVersion, timeoutSeconds: 60 })) void event;
    })(),
  );
}

describe.each(['plain', 'http/1.1', 'h2'] as const)('over %s', (protocol) => {
  test('requests one after another share one connection', async () => {
    await started(protocol);
    for (let i = 0; i < 20; i++) await fake.api.list(NAMESPACES);
    expect(fake.connections).toBe(1);
    expect(fake.api.protocol).toBe(protocol === 'h2' ? 'h2' : 'http/1.1');
  });

  test('a broken connection fails what is in flight, and the next request connects again', async () => {
    await started(protocol);
    const { resourceVersion } = await fake.api.list(PODS);
    const watches = [watchPods(resourceVersion), watchPods(resourceVersion)];
    await eventually(() => fake.openWatches === 2);
    fake.breakConnections();
    for (const watch of watches) expect(await watch).toBeInstanceOf(KubeConnectionError);
    expect((await fake.api.list(PODS)).items).toEqual([]);
  });

  test('a server that was restarted is found again, and a read does not notice', async () => {
    await started(protocol);
    await fake.api.list(PODS);
    await fake.stop();
    await fake.start();
    expect((await fake.api.list(PODS)).items).toEqual([]);
  });

  test('a server that is down is a connection error that says so, and no more than that', async () => {
    await started(protocol);
    await fake.stop();
    await expect(fake.api.list(PODS)).rejects.toThrow(
      /cannot connect to the API server at http.*ECONNREFUSED/,
    );
    await fake.start();
    expect((await fake.api.list(PODS)).items).toEqual([]);
  });

  test('a server that does not answer in time is a connection error', async () => {
    await started(protocol);
    const client = fake.client({ timeoutMs: 500 });
    fake.stall();
    await expect(client.list(PODS)).rejects.toThrow('no answer from the API server within 500 ms');
    fake.resume();
    expect((await client.list(PODS)).items).toEqual([]);
  });

  test('a refused token is read again at once, and a good one is kept for a minute', async () => {
    await started(protocol);
    const clock = new FakeClock();
    let reads = 0;
    const token = (): Promise<string> => {
      reads++;
      return Promise.resolve(fake.token ?? '');
    };
    const client = fake.client({ clock, config: { ...fake.config, token } });
    fake.requiredToken = fake.token = 'old';
    await client.list(PODS);
    await client.list(PODS);
    expect(reads).toBe(1);
    fake.requiredToken = fake.token = 'new';
    await client.list(PODS);
    expect(reads).toBe(2);
    await clock.advance(59_000);
    await client.list(PODS);
    expect(reads).toBe(2);
    await clock.advance(1_000);
    await client.list(PODS);
    expect(reads).toBe(3);
    fake.requiredToken = 'another';
    await expect(client.list(PODS)).rejects.toMatchObject({ status: 401 });
    expect(reads).toBe(4);
  });

  test('an answer longer than allowed is cut off', async () => {
    await started(protocol);
    fake.put(NAMESPACES, { metadata: { name: 'a', annotations: { long: 'x'.repeat(9 * 1024 * 1024) } } });
    await expect(fake.api.get(NAMESPACES, { name: 'a' })).rejects.toThrow('longer than 8388608 bytes');
    expect((await fake.api.list(NAMESPACES)).items).toHaveLength(1);
  });

  test('a big list comes whole', async () => {
    await started(protocol);
    for (let i = 0; i < 500; i++) {
      fake.put(PODS, {
        metadata: { name: `p${i}`, namespace: 'shop', annotations: { filler: 'x'.repeat(10_000) } },
      });
    }
    expect((await fake.api.list(PODS)).items).toHaveLength(500);
  });

  test('a closed client refuses everything and leaves no connection', async () => {
    await started(protocol);
    const { resourceVersion } = await fake.api.list(PODS);
    const watch = watchPods(resourceVersion);
    await eventually(() => fake.openWatches === 1);
    fake.api.close();
    expect(await watch).toBeInstanceOf(KubeConnectionError);
    await expect(fake.api.list(PODS)).rejects.toThrow('this client was closed');
    await eventually(() => fake.connections === 0);
  });

  test('a request that is aborted ends with the reason given, and the connection lives on', async () => {
    await started(protocol);
    await fake.api.list(PODS);
    fake.stall();
    const controller = new AbortController();
    const listing = fake.api.list(PODS, {}, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('never mind')), 20);
    await expect(listing).rejects.toThrow('never mind');
    await expect(fake.api.list(PODS, {}, { signal: controller.signal })).rejects.toThrow('never mind');
    fake.resume();
    expect((await fake.api.list(PODS)).items).toEqual([]);
  });
});

describe('over HTTP/2', () => {
  test('a hundred watches and requests beside them share one connection', async () => {
    await started('h2');
    const { resourceVersion } = await fake.api.list(PODS);
    const watches = Array.from({ length: 100 }, () => watchPods(resourceVersion));
    await eventually(() => fake.openWatches === 100);
    await Promise.all(Array.from({ length: 50 }, () => fake.api.list(NAMESPACES)));
    expect(fake.connections).toBe(1);
    fake.api.close();
    await Promise.all(watches);
  });

  test('a peer that vanished without a word is noticed by ping, and a new connection is made', async () => {
    await started('h2');
    const wire = await TcpProxy.to(Number(new URL(fake.url).port));
    cleanUps.unshift(() => wire.close());
    const client = fake.client({
      config: { ...fake.config, server: `https://127.0.0.1:${wire.port}` },
      ping: { pingEveryMs: 100, pingTimeoutMs: 200 },
    });
    const { resourceVersion } = await client.list(PODS);
    const watch = failure(
      (async () => {
        for await (const event of client.watch(PODS, { resourceVersion, timeoutSeconds: 600 })) void event;
      })(),
    );
    await eventually(() => fake.openWatches === 1);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(fake.openWatches).toBe(1);
    wire.freeze();
    expect(await watch).toMatchObject({ message: expect.stringContaining('did not answer a ping') });
    wire.thaw();
    expect((await client.list(PODS)).items).toEqual([]);
  });
});

describe('the server', () => {
  test('is refused when its certificate is of another authority', async () => {
    await started('h2');
    const { certPem } = await selfSignedPair('another');
    const client = fake.client({ config: { ...fake.config, caPem: certPem } });
    await expect(client.list(PODS)).rejects.toThrow(
      /cannot connect to the API server.*self-signed certificate/,
    );
    expect(fake.requests).toEqual([]);
  });

  test('is refused when its certificate names another host', async () => {
    await started('h2');
    const client = fake.client({ config: { ...fake.config, tlsServerName: 'kubernetes.example' } });
    await expect(client.list(PODS)).rejects.toThrow(/cannot connect.*kubernetes\.example/);
  });

  test('is met with the roots as they are when connecting', async () => {
    await started('h2');
    const client = fake.client({
      config: { ...fake.config, caPem: 'old', readCa: () => Promise.resolve(pair.certPem) },
    });
    expect((await client.list(PODS)).items).toEqual([]);
  });

  test.each(['http/1.1', 'h2'] as const)(
    'gets our certificate when it asks for one, over %s',
    async (protocol) => {
      const user = await selfSignedPair('user');
      await started(protocol, { clientCaPem: user.certPem });
      expect(await failure(fake.client().list(PODS))).toBeInstanceOf(KubeConnectionError);
      const client = fake.client({ config: { ...fake.config, clientCert: user } });
      expect((await client.list(PODS)).items).toEqual([]);
    },
  );

  test('may be behind a path', async () => {
    const paths: string[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url ?? '');
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const config = { server: `http://127.0.0.1:${port}/k8s/clusters/c-1/` };
    const transport = new Transport({ config, clock: systemClock });
    cleanUps.push(
      () => transport.close(),
      () => void server.close(),
    );
    await transport.request({ method: 'GET', path: '/version', timeoutMs: 1000 }, 1000);
    expect(paths).toEqual(['/k8s/clusters/c-1/version']);
  });

  test('that closes an idle connection just as a write is sent gets the write once only', async () => {
    const received: string[] = [];
    const server = createServer((request, response) => {
      received.push(request.method ?? '');
      if (received.length > 1) request.socket.destroy();
      else response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const transport = new Transport({ config: { server: `http://127.0.0.1:${port}` }, clock: systemClock });
    cleanUps.push(
      () => transport.close(),
      () => void server.close(),
    );
    const send = (method: string) => transport.request({ method, path: '/x', timeoutMs: 1000 }, 1000);
    await send('GET');
    expect(await failure(send('POST'))).toBeInstanceOf(KubeConnectionError);
    expect(await failure(send('GET'))).toBeInstanceOf(KubeConnectionError);
    expect(received).toEqual(['GET', 'POST', 'GET', 'GET']);
  });

  test('gets no token over plain HTTP unless it is on this machine', async () => {
    const config = { server: 'http://192.0.2.1:80', token: () => Promise.resolve('secret') };
    const transport = new Transport({ config, clock: systemClock });
    const request = { method: 'GET', path: '/', timeoutMs: 500 };
    await expect(transport.request(request, 1000)).rejects.toThrow('write https://');
  });
});
