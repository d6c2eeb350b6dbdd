import { once } from 'node:events';
import { request } from 'node:https';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';

import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { createMetrics } from '../metrics/metrics.ts';
import { CONNECTIONS } from '../server/limits.ts';
import { outsidePort } from './outside-port.ts';
import { ServingCertificate } from '../server/serving-certificate.ts';

let port: number;
let rootPem: string;
let close: () => Promise<void>;
beforeEach(async () => {
  const pki = await TestPki.create();
  const { metrics } = createMetrics();
  const log = new FakeLog();
  const clock = new FakeClock(Date.now());
  const pair = await pki.serving(['mesh-operator.mesh.svc']);
  const life = { notBefore: clock.now(), notAfter: clock.now() + 3_600_000 };
  const issue = () => Promise.resolve({ certChainPem: pair.certChainPem, keyPem: pair.keyPem, ...life });
  const certificate = new ServingCertificate({ clock, log, metrics, issue, random: () => 0 });
  await certificate.start();
  const sign = () => Promise.resolve({ status: 200, headers: {}, body: { certificate: 'signed' } });
  const listener = outsidePort({
    log,
    metrics,
    certificate,
    isKnown: (network) => network === '127.0.0.1',
    signing: { sign, isBarred: () => false },
  });
  port = await listener.listen(0, '127.0.0.1');
  rootPem = pki.rootPem;
  close = async () => {
    await listener.close(0);
    certificate.stop();
  };
});
afterEach(() => close());

function ask(
  method: string,
  path: string,
  more: { readonly localAddress?: string; readonly signal?: AbortSignal } = {},
): Promise<[number | undefined, string]> {
  return new Promise((resolve, reject) => {
    const options = {
      ...{ host: '127.0.0.1', port, method, path, agent: false as const, ca: rootPem, ...more },
      servername: 'mesh-operator.mesh.svc',
    };
    request(options, (response) => {
      text(response).then((body) => resolve([response.statusCode, body]), reject);
    })
      .on('error', reject)
      .end();
  });
}

test('the port for machines outside signs, says how it sees them, and answers nothing else', async () => {
  expect(await ask('GET', '/v1/address')).toEqual([200, '{"address":"127.0.0.1"}']);
  expect(await ask('POST', '/v1/sign')).toEqual([200, '{"certificate":"signed"}']);
  for (const path of ['/inject', '/inject/by-namespace', '/validate'])
    expect((await ask('POST', path))[0]).toBe(404);
  for (const path of ['/metrics', '/healthz', '/readyz', '/bundle', '/'])
    expect((await ask('GET', path))[0]).toBe(404);
});

test.each<[string, (index: number) => string, string]>([
  ['one address', () => '127.0.0.66', ''],
  ['many addresses', (index) => `127.9.${index >> 8}.${index & 255}`, ''],
  [
    'many addresses, with the beginning of a ClientHello',
    (index) => `127.9.${index >> 8}.${index & 255}`,
    '\x16\x03\x01\x02\x00\x01',
  ],
])(
  'more silent connections than there are places, from %s, keep no machine out: registered or new',
  async (_what, localAddress, said) => {
    const silent: Socket[] = [];
    try {
      for (let index = 0; index < 2 * CONNECTIONS.outside.total; index++) {
        const socket = connect({ host: '127.0.0.1', port, localAddress: localAddress(index) });
        socket.on('error', () => undefined);
        silent.push(socket);
        await once(socket, 'connect');
        if (said) socket.write(said, 'latin1');
      }
      for (const from of ['127.0.0.1', '127.0.0.2']) {
        const answer = await ask('GET', '/v1/address', {
          localAddress: from,
          signal: AbortSignal.timeout(10_000),
        });
        expect(answer).toEqual([200, `{"address":"${from}"}`]);
      }
    } finally {
      for (const socket of silent) socket.destroy();
    }
  },
);
