import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import { meshSettings } from '#core/model/mesh-settings.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { silentLog } from '#base/log.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys, spkiDer } from '#pki/keys.ts';
import type { KeyPair } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { issueCrossSigned, readSigner } from '#pki/profile.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';
import type { LeafBends } from '#pki/testing/test-pki.fake.ts';
import { secureContextOptions } from '#pki/tls-options.ts';

import { Authority } from './authority.ts';
import { oneSlot } from './root-slots.fake.ts';
import { BuiltinProvider } from './builtin-provider.ts';
import type { CaProvider, CertificateRequest, SignedCertificate } from './provider.ts';
import { StoreApi } from './store-api.fake.ts';

const WEB = { namespace: namespaceName('shop'), service: serviceName('web') };
const HOUR = 3600_000;

const requestOf = (keys: KeyPair) => ({ spki: spkiDer(keys.publicKey), csrPem: createCsr(keys) });

describe('the authority', () => {
  let settings: MeshSettings;
  let clock: FakeClock;
  let authority: Authority;
  beforeEach(async () => {
    settings = meshSettings({ leafTTL: '1h' });
    clock = new FakeClock(Date.now());
    const provider = new BuiltinProvider({
      api: new StoreApi().api,
      clock,
      log: silentLog,
      namespace: 'mesh',
      trustDomain: settings.trustDomain,
    });
    authority = new Authority({ provider, slots: oneSlot(provider), clock, settings: () => settings });
  });

  const key = async () => requestOf(await generateKeys());

  test('has no roots before it started, and says so', async () => {
    expect(authority.roots()).toEqual([]);
    expect(await authority.fault()).toContain('not ready');
    await authority.start();
    expect(await authority.fault()).toBeUndefined();
    expect(authority.roots()).toMatchObject([{ active: true, pem: authority.bundlePem }]);
    expect(authority.roots()[0]?.id).toMatch(/^[0-9a-f]{64}$/);
    expect(authority.roots()[0]?.notAfter).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  test('signs leaves of the life the settings have now', async () => {
    await authority.start();
    const second = Math.floor(clock.now() / 1000) * 1000;
    const leaf = await authority.signLeaf(WEB, await key());
    expect(leaf).toMatchObject({
      spiffeId: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web',
      notAfter: second + HOUR,
    });
    expect(leaf.sha256).toBe(
      readCertificates(leaf.chainPem)[0]!.fingerprint256.replaceAll(':', '').toLowerCase(),
    );
    settings = meshSettings({ leafTTL: '10s' });
    expect((await authority.signLeaf(WEB, await key())).notAfter).toBe(second + 10_000);
  });

  test('caps a leaf by the end of the root, and signs nothing after it', async () => {
    await authority.start();
    const end = Date.parse(authority.roots()[0]!.notAfter);
    await clock.advance(end - clock.now() - 60_000);
    expect((await authority.signLeaf(WEB, await key())).notAfter).toBe(end);
    await clock.advance(120_000);
    await expect(authority.signLeaf(WEB, await key())).rejects.toThrow('the signer has ended');
    expect(await authority.fault()).toContain('the root certificate has ended');
  });

  test('gives the operator a serving certificate that clients verify by host name, and its own identity towards sidecars', async () => {
    await authority.start();
    const serving = await authority.issueServing(['mesh-operator.mesh.svc']);
    const own = await authority.issueIdentity({
      namespace: namespaceName('mesh'),
      service: serviceName('mesh-operator'),
    });
    expect(own.spiffeId).toBe('spiffe://cluster.local/ns/mesh/dc/dc1/svc/mesh-operator');
    const server = createServer({
      ...secureContextOptions(serving, authority.bundle),
      requestCert: true,
      rejectUnauthorized: true,
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect({
      port,
      host: '127.0.0.1',
      servername: 'mesh-operator.mesh.svc',
      ...secureContextOptions(own, authority.bundle),
    });
    const [[accepted]] = await Promise.all([
      once(server, 'secureConnection') as Promise<[TLSSocket]>,
      once(client, 'secureConnect'),
    ]);
    expect(client.authorized).toBe(true);
    accepted.destroy();
    client.destroy();
    const stranger = connect({
      port,
      host: '127.0.0.1',
      servername: 'other.mesh.svc',
      ...secureContextOptions(own, authority.bundle),
    });
    const [error] = await once(stranger, 'error');
    expect(error.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    server.close();
  });
});

describe('a certificate of a faulty provider', () => {
  const settings = meshSettings({ leafTTL: '1h' });

  /** Signs whatever the test bends. */
  async function authorityThat(
    sign: (pki: TestPki, request: CertificateRequest) => Promise<SignedCertificate>,
    crossSign?: (pki: TestPki) => Promise<string>,
  ): Promise<Authority> {
    const pki = await TestPki.create();
    const provider: CaProvider = {
      name: 'faulty',
      start: () => Promise.resolve(),
      roots: () => Promise.resolve([{ pem: pki.rootPem, active: true }]),
      check: () => Promise.resolve(),
      fault: () => Promise.resolve(undefined),
      stop: () => Promise.resolve(),
      sign: (request) => sign(pki, request),
      ...(crossSign ? { crossSign: () => crossSign(pki) } : {}),
    };
    const authority = new Authority({
      provider,
      slots: oneSlot(provider),
      clock: new FakeClock(Date.now()),
      settings: () => settings,
    });
    await authority.start();
    return authority;
  }

  const bent =
    (
      bends: (pki: TestPki) => LeafBends,
      service = 'web',
      issuer: (pki: TestPki) => Promise<TestPki> = (pki) => Promise.resolve(pki),
    ) =>
    async (pki: TestPki, keys: Awaited<ReturnType<typeof generateKeys>>): Promise<SignedCertificate> => {
      const from = await issuer(pki);
      const leaf = await from.leaf({ namespace: 'shop', service }, { keys, ttlMs: HOUR, ...bends(pki) });
      return { leafPem: leaf.certChainPem, intermediatesPem: '' };
    };

  test('is handed out when it is as asked for', async () => {
    const keys = await generateKeys();
    const authority = await authorityThat((pki) => bent(() => ({}))(pki, keys));
    expect(await authority.signLeaf(WEB, requestOf(keys))).toMatchObject({
      spiffeId: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web',
    });
  });

  test.each<[string, ReturnType<typeof bent>, string]>([
    ['for another service', bent(() => ({}), 'db'), 'its names are'],
    [
      'with a second name',
      bent(() => ({ extraSans: [{ type: 'dns', value: 'db.shop.svc' }] })),
      'its names are',
    ],
    ['that is an authority', bent(() => ({ ca: true })), 'it is the certificate of a CA'],
    ['for servers only', bent(() => ({ eku: ['serverAuth'] })), 'extended key usage'],
    ['for any purpose', bent(() => ({ eku: [] })), 'extended key usage'],
    ['that may sign certificates', bent(() => ({ keyUsage: 1 | 32 })), 'its key may sign certificates'],
    ['that may sign nothing', bent(() => ({ keyUsage: 16 })), 'lacks digitalSignature'],
    ['that lives too long', bent(() => ({ ttlMs: 2 * HOUR })), 'lives longer'],
    ['that has ended', bent(() => ({ notAfter: Date.now() - 1000 })), 'ended'],
    ['from tomorrow', bent(() => ({ notBefore: Date.now() + 24 * HOUR })), 'not valid yet'],
    [
      'of a foreign root',
      bent(
        () => ({}),
        'web',
        (pki) => pki.foreign(),
      ),
      'no valid path',
    ],
    [
      'whose intermediate is missing',
      async (pki, keys) => {
        const leaf = await (
          await pki.withIntermediate()
        ).leaf({ namespace: 'shop', service: 'web' }, { keys, ttlMs: HOUR });
        return {
          leafPem: leaf.certChainPem.slice(0, leaf.certChainPem.indexOf('-----BEGIN', 10)),
          intermediatesPem: '',
        };
      },
      'no valid path',
    ],
    ['for another key', async (pki) => bent(() => ({}))(pki, await generateKeys()), 'another key'],
    ['that is none', () => Promise.resolve({ leafPem: 'rubbish', intermediatesPem: '' }), 'cannot be read'],
  ])('%s is never handed out', async (_what, sign, message) => {
    const keys = await generateKeys();
    const authority = await authorityThat((pki) => sign(pki, keys));
    const refused = authority.signLeaf(WEB, requestOf(keys));
    await expect(refused).rejects.toThrow('must not be handed out');
    await expect(refused).rejects.toThrow(message);
  });

  test('a cross-signature counts only when it is of the root that is trusted, and of the key that was asked about', async () => {
    const [foreign, next] = [await TestPki.create(), await TestPki.create()];
    const answered = async (of: TestPki, by?: TestPki): Promise<string | undefined> => {
      const authority = await authorityThat(
        () => Promise.reject(new Error('not asked')),
        async (own) => {
          const { rootPem, rootKeyPem } = by ?? own;
          return issueCrossSigned(await readSigner(rootPem, rootKeyPem), of.rootPem, Date.now());
        },
      );
      return authority.crossSign(next.rootPem);
    };
    expect(await answered(next)).toContain('BEGIN CERTIFICATE');
    expect(await answered(foreign)).toBeUndefined();
    expect(await answered(next, foreign)).toBeUndefined();
  });
});
