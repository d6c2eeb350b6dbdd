import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';

import express from 'express';

import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { createMetrics } from '../metrics/metrics.ts';
import { createApp } from './app.ts';
import type { Mount } from './app.ts';
import { Health } from './health.ts';
import { HttpsListener } from './https-listener.ts';
import { HttpListener } from './listener.ts';
import type { Listener, ListenerOptions } from './listener.ts';
import { healthRoutes } from './operations.ts';
import { ServingCertificate } from './serving-certificate.ts';
import type { ServingPair } from './serving-certificate.ts';

const { metrics } = createMetrics();
let log: FakeLog;
const open: Listener[] = [];
const OPTIONS: ListenerOptions = {
  limits: { total: 100, perNetwork: 100 },
  metrics: { closed: () => undefined, open: () => undefined },
};

beforeEach(() => {
  log = new FakeLog();
});

afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close(0);
});

function app(...mounts: Mount[]) {
  return createApp({ log, metrics, server: 'signing', paths: ['/echo'], mounts });
}

const echo: Mount = (to) => {
  to.post('/echo', express.json({ limit: '1kb' }), (request, response) => void response.json(request.body));
  to.get('/throws', () => {
    throw new Error('the secret is 42');
  });
};

async function http(...mounts: Mount[]): Promise<string> {
  const listener = new HttpListener(app(...mounts), OPTIONS);
  open.push(listener);
  return `http://127.0.0.1:${await listener.listen(0, '127.0.0.1')}`;
}

describe('the operator’s servers', () => {
  test('a body that is too large, no JSON, or compressed is refused with a sentence and no detail', async () => {
    const base = await http(echo);
    const post = async (body: string, headers: Record<string, string> = {}): Promise<[number, string]> => {
      const response = await fetch(`${base}/echo`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      });
      return [
        response.status,
        ((await response.json()) as { error?: { code?: string } }).error?.code ?? 'none',
      ];
    };
    expect(await post('{"a":1}')).toEqual([200, 'none']);
    expect(await post(`"${'x'.repeat(2000)}"`)).toEqual([413, 'too-large']);
    expect(await post('{')).toEqual([400, 'malformed']);
    expect(await post('x', { 'content-encoding': 'br9' })).toEqual([415, 'unsupported']);
  });

  test('a fault inside is told to the log and not to the asker', async () => {
    const base = await http(echo);
    const response = await fetch(`${base}/throws`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('42');
    expect(log.lines).toMatchObject([{ level: 'error', message: 'a request failed' }]);
    expect((await fetch(`${base}/nothing`)).status).toBe(404);
  });

  test('readiness tells which check fails, also when the check itself does', async () => {
    const ready = new Health();
    ready.add('caches', () => 'not read yet: Pod');
    ready.add('broken', () => {
      throw new Error('oops');
    });
    const base = await http(healthRoutes(new Health(), ready));
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    const response = await fetch(`${base}/readyz`);
    expect([response.status, await response.text()]).toEqual([
      503,
      'not ok  caches: not read yet: Pod\nnot ok  broken: oops\n',
    ]);
  });

  test('readiness says to others than loopback only whether, and not what is wrong', async () => {
    const ready = new Health();
    ready.add('caches', () => 'not read yet: Pod');
    const { port } = new URL(await http(healthRoutes(new Health(), ready)));
    const answer = await new Promise<string>((resolve, reject) => {
      const request = httpRequest({ port, host: '127.0.0.1', localAddress: '127.0.0.9', path: '/readyz' });
      request.once('response', (response) => void text(response).then(resolve, reject));
      request.once('error', reject).end();
    });
    expect(answer).toBe('not ok\n');
  });

  test('rubbish on the port does not end the process', async () => {
    const base = new URL(await http());
    const socket = connect(Number(base.port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('\x16\x03\x01 rubbish\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    expect((await fetch(base)).status).toBe(404);
  });

  test('closing lets an open request end, and cuts what takes too long', async () => {
    const slow: Mount = (to) => {
      to.get('/slow', (_request, response) => void setTimeout(() => response.send('done'), 100));
      to.get('/never', () => undefined);
    };
    const base = await http(slow);
    const [listener] = open;
    const answers = Promise.allSettled([
      fetch(`${base}/slow`).then((response) => response.text()),
      fetch(`${base}/never`),
    ]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await listener?.close(500);
    const [first, second] = await answers;
    expect(first).toEqual({ status: 'fulfilled', value: 'done' });
    expect(second.status).toBe('rejected');
    await expect(fetch(base)).rejects.toThrow();
  });
});

describe('HTTPS', () => {
  test('takes TLS 1.3 only, and a new certificate without a restart; 1.2 stays refused after it', async () => {
    const pki = await TestPki.create();
    const [first, second] = [
      await pki.serving(['mesh-operator.mesh.svc']),
      await pki.serving(['mesh-operator.mesh.svc']),
    ];
    const listener = new HttpsListener(app(echo), first as ServingPair, OPTIONS);
    open.push(listener);
    const port = await listener.listen(0, '127.0.0.1');
    const tls12 = (): Promise<string> =>
      new Promise((resolve) => {
        const socket = connectTls(
          {
            port,
            host: '127.0.0.1',
            ca: pki.rootPem,
            servername: 'mesh-operator.mesh.svc',
            maxVersion: 'TLSv1.2',
          },
          () => resolve('taken'),
        );
        socket.once('error', ({ message }) => resolve(message));
      });
    const serial = async (): Promise<string> => (await get(port, pki.rootPem)).serial;
    const before = await serial();
    expect(await tls12()).toMatch(/alert protocol version/);
    listener.useCertificate(second as ServingPair);
    expect(await serial()).not.toBe(before);
    expect(await tls12()).toMatch(/alert protocol version/);
  });

  function get(port: number, ca: string): Promise<{ status: number; serial: string }> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        { port, host: '127.0.0.1', path: '/nothing', ca, servername: 'mesh-operator.mesh.svc', agent: false },
        (response: IncomingMessage) => {
          const socket = response.socket as unknown as { getPeerX509Certificate(): { serialNumber: string } };
          const serial = socket.getPeerX509Certificate().serialNumber;
          response.resume().once('end', () => resolve({ status: response.statusCode ?? 0, serial }));
        },
      );
      request.once('error', reject).end();
    });
  }
});

describe('the serving certificate', () => {
  const HOUR = 3_600_000;

  function certificate(issue: () => Promise<ServingPair>, clock: FakeClock): ServingCertificate {
    return new ServingCertificate({ clock, log, metrics, issue, random: () => 0.5 });
  }

  function pair(clock: FakeClock): ServingPair {
    return { certChainPem: 'c', keyPem: 'k', notBefore: clock.now(), notAfter: clock.now() + 10 * HOUR };
  }

  test('is renewed well before it ends, and listeners hear of it', async () => {
    const clock = new FakeClock();
    const heard: number[] = [];
    const serving = certificate(() => Promise.resolve(pair(clock)), clock);
    serving.onChange(({ notAfter }) => heard.push(notAfter));
    expect(serving.fault()).toBe('there is none yet');
    await serving.start();
    expect(serving.fault()).toBeUndefined();
    await clock.advance(30 * HOUR);
    expect(heard).toHaveLength(5);
    expect(serving.fault()).toBeUndefined();
    serving.stop();
  });

  test('when renewal fails the old one stays, it is tried again, and the end is told', async () => {
    const clock = new FakeClock();
    let fails = false;
    const serving = certificate(
      () => (fails ? Promise.reject(new Error('no')) : Promise.resolve(pair(clock))),
      clock,
    );
    await serving.start();
    fails = true;
    await clock.advance(9 * HOUR);
    expect(serving.fault()).toBeUndefined();
    await clock.advance(2 * HOUR);
    expect(serving.fault()).toMatch(/^it ended at/);
    fails = false;
    await clock.advance(60_000);
    expect(serving.fault()).toBeUndefined();
    serving.stop();
  });

  test('the first one is tried for again as soon as the root has changed, and an overtaken try changes nothing', async () => {
    const clock = new FakeClock();
    const tries: { resolve: (pair: ServingPair) => void; reject: (error: Error) => void }[] = [];
    const serving = certificate(
      () => new Promise<ServingPair>((resolve, reject) => tries.push({ resolve, reject })),
      clock,
    );
    const started = serving.start();
    serving.renew();
    tries[0]!.reject(new Error('the signer has ended'));
    await clock.advance(5_000);
    expect(tries).toHaveLength(2);
    tries[1]!.resolve(pair(clock));
    await started;
    expect(serving.fault()).toBeUndefined();
    serving.renew();
    serving.renew();
    const last = { ...pair(clock), certChainPem: 'last' };
    tries[3]!.resolve(last);
    tries[2]!.resolve(pair(clock));
    await clock.advance(1);
    expect(serving.pair).toBe(last);
    expect(clock.pendingTimers).toBe(1);
    serving.stop();
  });

  test('the start waits for the first one, and ends when told to', async () => {
    const clock = new FakeClock();
    const serving = certificate(() => Promise.reject(new Error('no')), clock);
    const started = serving.start();
    await clock.advance(5_000);
    serving.stop();
    await started;
    expect(serving.pair).toBeUndefined();
  });
});
