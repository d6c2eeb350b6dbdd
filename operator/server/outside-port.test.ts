import { request } from 'node:https';
import { text } from 'node:stream/consumers';

import { FakeClock } from '#kube/clock.fake.ts';
import { FakeLog } from '#kube/log.fake.ts';
import { TestPki } from '#pki/test-pki.fake.ts';

import { createMetrics } from '../metrics.ts';
import { outsidePort } from './outside-port.ts';
import { ServingCertificate } from './serving-certificate.ts';

test('the port for machines outside signs, says how it sees them, and answers nothing else', async () => {
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
    isKnown: () => false,
    signing: { sign, isBarred: () => false },
  });
  const port = await listener.listen(0, '127.0.0.1');
  const ask = (method: string, path: string): Promise<[number | undefined, string]> =>
    new Promise((resolve, reject) => {
      const options = {
        ...{ host: '127.0.0.1', port, method, path, agent: false as const, ca: pki.rootPem },
        servername: 'mesh-operator.mesh.svc',
      };
      request(options, (response) => {
        text(response).then((body) => resolve([response.statusCode, body]), reject);
      })
        .on('error', reject)
        .end();
    });
  try {
    expect(await ask('GET', '/v1/address')).toEqual([200, '{"address":"127.0.0.1"}']);
    expect(await ask('POST', '/v1/sign')).toEqual([200, '{"certificate":"signed"}']);
    for (const path of ['/inject', '/inject/by-namespace', '/validate'])
      expect((await ask('POST', path))[0]).toBe(404);
    for (const path of ['/metrics', '/healthz', '/readyz', '/bundle', '/'])
      expect((await ask('GET', path))[0]).toBe(404);
  } finally {
    await listener.close(0);
    certificate.stop();
  }
});
