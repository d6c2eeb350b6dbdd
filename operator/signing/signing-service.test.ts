import { X509Certificate } from 'node:crypto';

import { jest } from '@jest/globals';

import { KubeConnectionError, KubeError } from '#kube/errors.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys, privateKeyPem, spkiDer } from '#pki/keys.ts';

import { memberSpec } from '../resources/member.fake.ts';
import { boundToken, SigningWorld, WEB_ADDRESS } from './signing-world.fake.ts';

const WEB = 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web';
const DB = 'spiffe://cluster.local/ns/shop/dc/dc1/svc/db';

interface Issued {
  readonly certificate: string;
  readonly bundle: string;
  readonly spiffeId: string;
  readonly notAfter: string;
}

let world: SigningWorld;
beforeEach(async () => {
  world = await SigningWorld.create();
});

describe('a pod that asks for its own certificate', () => {
  test('gets it, for the key it holds', async () => {
    const keys = await generateKeys();
    const { status, body } = await world.ask({ csr: createCsr(keys, WEB), service: 'web' });
    const issued = body as Issued;
    expect(status).toBe(200);
    const leaf = new X509Certificate(issued.certificate);
    expect(leaf.subjectAltName).toBe(`URI:${WEB}`);
    expect(spkiDer(leaf.publicKey)).toEqual(spkiDer(keys.publicKey));
    expect(leaf.verify(new X509Certificate(issued.bundle).publicKey)).toBe(true);
    expect(issued).toMatchObject({ spiffeId: WEB, bundle: world.authority.bundlePem });
    expect(Date.parse(issued.notAfter)).toBe(Date.parse(leaf.validTo));
  });

  test('may leave out its name, and its service: the label says it', async () => {
    expect(await world.ask()).toMatchObject({ status: 200, body: { spiffeId: WEB } });
  });

  test('is found in the log and in an Event, with serial, hash, pod and account; its token is not', async () => {
    const { body } = await world.ask();
    const leaf = new X509Certificate((body as Issued).certificate);
    const sha256 = leaf.fingerprint256.replaceAll(':', '').toLowerCase();
    expect(world.log.lines.filter(({ message }) => message === 'certificate issued')).toMatchObject([
      {
        level: 'info',
        fields: {
          spiffeId: WEB,
          serial: leaf.serialNumber,
          sha256,
          pod: 'shop/web-1',
          podUid: 'web-uid',
          serviceAccount: 'web',
          credentialId: 'JTI=1',
          notAfter: (body as Issued).notAfter,
        },
      },
    ]);
    expect(world.events.told).toMatchObject([
      { type: 'Normal', reason: 'CertificateIssued', about: { kind: 'Pod', metadata: { uid: 'web-uid' } } },
    ]);
    expect(world.events.told[0]?.message).toContain(`serial ${leaf.serialNumber}, SHA-256 ${sha256}`);
    expect(world.said).not.toContain('web-token');
  });

  test('may renew while it is being deleted, because it still drains', async () => {
    world.putPod('web-1', 'web-uid', {
      service: 'web',
      serviceAccount: 'web',
      bend: (pod) => ({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }),
    });
    expect(await world.ask()).toMatchObject({ status: 200 });
  });

  test.each([
    ['its IPv4 address', WEB_ADDRESS],
    ['its IPv4 address inside IPv6', `::ffff:${WEB_ADDRESS}`],
    ['its IPv6 address in another spelling', 'fd00:0:0:0::7'],
  ])('may come from %s', async (_what, sourceAddress) => {
    expect(await world.ask({ sourceAddress })).toMatchObject({ status: 200 });
  });

  test('may come from anywhere where pods have no address at their start; the log says that this was not checked', async () => {
    world.service = world.serviceWith({ address: 'taken-on' });
    world.putPod('web-1', 'web-uid', {
      service: 'web',
      serviceAccount: 'web',
      bend: (pod) => ({
        ...pod,
        spec: memberSpec('web', 'web', 'ordinary'),
        status: { phase: 'Pending', hostIP: '192.0.2.10' },
      }),
    });
    expect(await world.ask({ sourceAddress: '192.0.2.1' })).toMatchObject({ status: 200 });
    expect(world.log.lines.map(({ message }) => message)).toContain('the source address was not checked');
  });

  test('may come from another address where that check only logs', async () => {
    world.service = world.serviceWith({ sourceAddressCheck: 'log' });
    expect(await world.ask({ sourceAddress: '192.0.2.1' })).toMatchObject({ status: 200 });
    expect(world.said).toContain('the request came from 192.0.2.1');
  });
});

describe('what passes by itself', () => {
  test('a service nobody defined yet: come back in a second', async () => {
    world.store.remove('meshservices', 'shop/web');
    expect(await world.ask()).toMatchObject({
      status: 503,
      headers: { 'Retry-After': '1' },
      body: { error: { code: 'not-ready' } },
    });
    expect(world.lastReason).toBe('service-unknown');
    world.putService('web', undefined);
    expect(await world.ask()).toMatchObject({ status: 200 });
  });

  test('an API server that is away', async () => {
    for (const error of [
      new KubeConnectionError('connect ECONNREFUSED 10.0.0.1:443'),
      new KubeError({ status: 500, reason: 'InternalError', message: 'etcdserver: request timed out' }),
      new DOMException('timed out', 'TimeoutError'),
    ]) {
      world.store.before = () => {
        throw error;
      };
      expect(await world.ask()).toMatchObject({ status: 503, headers: { 'Retry-After': '2' } });
      expect(world.lastReason).toBe('api-unavailable');
    }
    world.store.before = () => undefined;
    expect(await world.ask()).toMatchObject({ status: 200 });
  });

  test('an authority that has no root yet', async () => {
    world.service = world.serviceWith({
      authority: {
        ...world.authority,
        roots: () => [],
        bundlePem: '',
        signLeaf: () => Promise.reject(new Error()),
      },
    });
    expect(await world.ask()).toMatchObject({ status: 503 });
    expect(world.lastReason).toBe('authority-not-ready');
  });

  test('a fault of our own is told as such and does not end the process', async () => {
    world.service = world.serviceWith({
      authority: {
        roots: () => world.authority.roots(),
        bundlePem: '',
        signLeaf: () => Promise.reject(new Error('the disk is on fire')),
      },
    });
    const response = await world.ask();
    expect(response).toMatchObject({ status: 500, body: { error: { code: 'failed' } } });
    expect(JSON.stringify(response)).not.toContain('fire');
    expect(world.said).toContain('the disk is on fire');
  });
});

describe('limits', () => {
  test('a pod that asks too often is sent away for a while, others are not', async () => {
    world.service = world.serviceWith({ limits: { podBurst: 2, podPerSecond: 0.5 } });
    world.putPod('web-2', 'web-2-uid', { service: 'web', serviceAccount: 'web' });
    world.tokens.set('web-2-token', boundToken('web', 'web-2', 'web-2-uid'));
    expect(await world.ask()).toMatchObject({ status: 200 });
    expect(await world.ask()).toMatchObject({ status: 200 });
    expect(await world.ask()).toMatchObject({
      status: 429,
      headers: { 'Retry-After': '2' },
      body: { error: { code: 'too-many' } },
    });
    expect(await world.ask({ token: 'web-2-token' })).toMatchObject({ status: 200 });
    await world.clock.advance(2_000);
    expect(await world.ask()).toMatchObject({ status: 200 });
  });

  test('an address that asks too often is sent away before anything is read, and cannot fill the log', async () => {
    world.service = world.serviceWith({ limits: { addressBurst: 1, addressPerSecond: 1 } });
    await world.ask({ token: 'forged' });
    world.store.calls.length = 0;
    const body = jest.fn(() => Promise.resolve(Buffer.from('{}')));
    const response = await world.service.sign({
      sourceAddress: `::ffff:${WEB_ADDRESS}`,
      authorization: undefined,
      body,
    });
    expect(response.status).toBe(429);
    expect(body).not.toHaveBeenCalled();
    expect(world.log.lines.at(-1)).toMatchObject({ level: 'debug', fields: { reason: 'rate-address' } });
  });

  test('requests beyond those worked on at once are sent away; a slow body holds no place', async () => {
    world.service = world.serviceWith({ limits: { concurrent: 1 } });
    void world.service.sign({
      sourceAddress: '10.9.9.9',
      authorization: 'x',
      body: () => new Promise(() => undefined),
    });
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    world.store.before = ({ plural }) => (plural === 'tokenreviews' ? held : undefined);
    const first = world.ask();
    while (world.store.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await world.ask()).toMatchObject({ status: 429, headers: { 'Retry-After': '1' } });
    expect(world.lastReason).toBe('busy');
    release();
    expect(await first).toMatchObject({ status: 200 });
    expect(await world.ask()).toMatchObject({ status: 200 });
  });

  test('an accepted token is asked about once in a few seconds, the pod every time; a refused one every time', async () => {
    const asked = (plural: string) => world.store.calls.filter((call) => call.includes(` ${plural} `)).length;
    await world.ask();
    await world.ask();
    expect([asked('tokenreviews'), asked('pods')]).toEqual([1, 2]);
    await world.clock.advance(6_000);
    await world.ask();
    expect(asked('tokenreviews')).toBe(2);
    await world.ask({ token: 'forged' });
    await world.ask({ token: 'forged' });
    expect(asked('tokenreviews')).toBe(4);
    world.store.remove('pods', 'shop/web-1');
    expect(await world.ask()).toMatchObject({ status: 403 });
    expect(world.lastReason).toBe('pod-gone');
  });
});

describe('secrets', () => {
  test('neither the root key, nor a token, nor a request is in any log line or Event', async () => {
    const secret = world.store.objects.get('secrets mesh/mesh-ca') as unknown as {
      data: Record<string, string>;
    };
    const rootKey = Buffer.from(secret.data['root.key'] ?? '', 'base64').toString();
    const keys = await generateKeys();
    const csr = createCsr(keys, WEB);
    await world.ask({ csr });
    await world.ask({ token: 'forged-secret-token' });
    await world.ask({ csr: createCsr(keys, DB) });
    await world.ask({ body: `{"csr":"${'x'.repeat(50)}` });
    const said = world.said;
    expect(said).toContain('certificate issued');
    expect(said).toContain('certificate refused');
    const secrets = [rootKey, privateKeyPem(keys.privateKey), csr].flatMap((pem) =>
      pem.split('\n').filter((line) => line.length > 30),
    );
    for (const text of [
      ...secrets,
      secret.data['root.key']!,
      'web-token',
      'forged-secret-token',
      'PRIVATE KEY',
    ])
      expect(said).not.toContain(text);
  });
});
