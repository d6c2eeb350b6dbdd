import { X509Certificate } from 'node:crypto';

import { jest } from '@jest/globals';

import { eventually } from '#base/testing/eventually.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { systemClock } from '#base/clock.ts';
import { readCertificates } from '#pki/pem.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { docsBlocks } from '../docs.fake.ts';
import { skipReason, VAULT } from '../go-programs.fake.ts';
import { SERVING_NAMES, servingRequest, workloadRequest } from '../certificate-requests.fake.ts';
import { CaStateError } from '../provider.ts';
import { VaultProviders } from './vault-harness.fake.ts';
import { VaultServer } from './vault-server.fake.ts';

/** How long what is waited for may take here. */
const IN_TIME = { withinMs: 15_000 };

jest.setTimeout(60_000);

const reason = skipReason(VAULT);
const describeHere = reason ? describe.skip : describe;
const [POLICY = ''] = docsBlocks('hcl');

describeHere(`Vault${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let server: VaultServer;
  let providers: VaultProviders;
  beforeEach(async () => {
    server = await VaultServer.start();
    providers = new VaultProviders({ token: server.rootToken });
  });
  afterEach(async () => {
    await providers.stop();
    await server.remove();
  });

  const refusal = async (work: Promise<unknown>): Promise<CaStateError> => {
    const error: unknown = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CaStateError);
    return error as CaStateError;
  };

  test('signs nothing outside of the mesh for the operator’s token', async () => {
    const token = await server.tokenWith(POLICY);
    providers.putSecret({ token });
    const provider = providers.provider(server.settings());
    await provider.start();
    const { csrPem: csr } = await workloadRequest();
    const sign = (path: string, body: object) =>
      server.asToken(token, 'POST', path, { csr, ttl: '1h', ...body });
    const workload = 'mesh-intermediate/sign/mesh-workload';
    const serving = 'mesh-intermediate/sign/mesh-serving';
    await sign(workload, {
      uri_sans: 'spiffe://cluster.local/ns/a/dc/dc1/svc/b',
      common_name: 'b',
      exclude_cn_from_sans: true,
    });
    await sign(serving, { alt_names: SERVING_NAMES[0], common_name: SERVING_NAMES[0] });
    for (const [path, body] of [
      [
        workload,
        {
          uri_sans: 'spiffe://other.example/ns/a/dc/dc1/svc/b',
          common_name: 'b',
          exclude_cn_from_sans: true,
        },
      ],
      [workload, { ip_sans: '10.0.0.1', common_name: 'b', exclude_cn_from_sans: true }],
      [serving, { alt_names: 'www.example.com', common_name: SERVING_NAMES[0] }],
      [serving, { uri_sans: 'spiffe://cluster.local/ns/a/dc/dc1/svc/b', common_name: SERVING_NAMES[0] }],
      ['mesh-intermediate/sign-verbatim', {}],
      ['mesh-root/sign-verbatim', {}],
      ['mesh-intermediate/root/sign-intermediate', { common_name: 'x' }],
    ] as const) {
      await expect(sign(path, body)).rejects.toThrow('Vault refuses');
    }
    for (const path of ['mesh-root/root', 'mesh-intermediate/issuer/default', 'mesh-intermediate/keys'])
      await expect(server.asToken(token, 'POST', path, {})).rejects.toThrow('403');
  });

  test('puts a role right that somebody has loosened', async () => {
    await providers.provider(server.settings()).start();
    const path = 'mesh-intermediate/roles/mesh-workload';
    const before = await server.admin('GET', path);
    expect(before.allowed_uri_sans).toEqual(['spiffe://cluster.local/*']);
    await server.admin('POST', path, { ...before, allowed_uri_sans: ['*'], ttl: '3h' });
    await providers.provider(server.settings()).start();
    expect((await server.admin('GET', path)).allowed_uri_sans).toEqual(['spiffe://cluster.local/*']);
  });

  test('logs in with the operator’s own token, and Vault asks the API server whose it is', async () => {
    const kubernetes = await server.withKubernetes('mesh', 'mesh-operator', POLICY);
    const token = kubernetes.token('mesh', 'mesh-operator');
    const settings = server.settings({ auth: 'kubernetes', authPath: 'kubernetes' });
    const provider = providers.provider(settings, { readServiceAccountToken: () => Promise.resolve(token) });
    await provider.start();
    expect(await provider.fault()).toBeUndefined();
    expect((await provider.sign(await workloadRequest())).leafPem).toContain('BEGIN CERTIFICATE');
    const stranger = kubernetes.token('shop', 'web');
    const refused = providers.provider(settings, {
      readServiceAccountToken: () => Promise.resolve(stranger),
    });
    const error = await refusal(refused.start());
    expect(error.message).toContain('Vault refuses auth/kubernetes/login: status 403');
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(stranger.split('.')[2]!);
    await kubernetes.close();
  });

  test('says what is the matter, each in a sentence of its own', async () => {
    const { roleId, secretId } = await server.appRole(POLICY);
    providers.putSecret({ 'role-id': roleId, 'secret-id': secretId });
    const provider = providers.provider(server.settings({ auth: 'approle', authPath: 'approle' }));
    await provider.start();
    expect(await provider.fault()).toBeUndefined();
    await server.admin('POST', 'sys/policies/acl/mesh-operator', {
      policy: 'path "sys/x" { capabilities = ["read"] }',
    });
    expect(await provider.fault()).toBe(
      'Vault does not let the operator’s token update mesh-intermediate/sign/mesh-workload and mesh-intermediate/sign/mesh-serving; give it the policy of the documentation',
    );
    await expect(provider.sign(await workloadRequest())).rejects.toThrow('permission denied');
    await server.admin('POST', 'sys/policies/acl/mesh-operator', { policy: POLICY });
    expect(await provider.fault()).toBeUndefined();
    await server.seal();
    expect(await provider.fault()).toBe(`Vault at ${server.address} is sealed; unseal it`);
    await server.unseal();
    expect(await provider.fault()).toBeUndefined();
    await server.remove();
    expect(await provider.fault()).toMatch(/^Vault at https:\S+ cannot be reached: .*ECONNREFUSED/);
  });

  test('waits for a Vault that is sealed, and is ready soon after', async () => {
    await server.seal();
    const starting = providers.provider(server.settings()).start();
    await eventually(
      () => providers.log.lines.some(({ fields }) => String(fields['err']).includes('is sealed')),
      IN_TIME,
    );
    await server.unseal();
    await starting;
  });

  test('logs in again when its token was revoked', async () => {
    const { roleId, secretId } = await server.appRole(POLICY);
    providers.putSecret({ 'role-id': roleId, 'secret-id': secretId });
    const provider = providers.provider(server.settings({ auth: 'approle', authPath: 'approle' }));
    await provider.start();
    for (const accessor of (await server.admin('LIST', 'auth/token/accessors')).keys) {
      if ((await server.originOf(accessor)) === 'auth/approle/login')
        await server.admin('POST', 'auth/token/revoke-accessor', { accessor });
    }
    expect((await provider.sign(await workloadRequest())).leafPem).toContain('BEGIN CERTIFICATE');
    expect(await provider.fault()).toBeUndefined();
  });

  test('renews its token while that goes, and logs in again when it does not go any more', async () => {
    const { roleId, secretId } = await server.appRole(POLICY, { token_ttl: '3s', token_max_ttl: '6s' });
    providers.putSecret({ 'role-id': roleId, 'secret-id': secretId });
    const provider = providers.provider(server.settings({ auth: 'approle', authPath: 'approle' }));
    await provider.start();
    const end = Date.now() + 9_000;
    while (Date.now() < end) {
      await provider.sign(await workloadRequest());
      expect(await provider.fault()).toBeUndefined();
      await systemClock.sleep(200);
    }
    const logins = providers.store.calls.filter((call) => call.startsWith('get secrets')).length;
    // One at the start, and one each time the longest life of six seconds is met; without renewing there would be five.
    expect(logins).toBeGreaterThanOrEqual(2);
    expect(logins).toBeLessThanOrEqual(4);
  });

  test('says when a token that cannot be renewed ends, and takes the next one from the Secret', async () => {
    const token = await server.tokenWith(POLICY, { ttl: '6s', renewable: false });
    providers.putSecret({ token });
    const provider = providers.provider(server.settings());
    await provider.start();
    expect(await provider.fault()).toBeUndefined();
    await eventually(async () => (await provider.fault()) !== undefined, IN_TIME);
    expect(await provider.fault()).toMatch(
      /^the token for Vault ends on \S+ and cannot be renewed; put a new one into Secret mesh\/mesh-ca-vault$/,
    );
    providers.putSecret({ token: await server.tokenWith(POLICY, { ttl: '1h' }) });
    await eventually(async () => (await provider.fault()) === undefined, IN_TIME);
    await provider.sign(await workloadRequest());
  });

  test('makes a new intermediate before the old one ends, under the same root', async () => {
    const clock = new FakeClock(Date.now());
    const provider = providers.provider(server.settings({ intermediateTtlMs: 30 * 60_000 }), { clock });
    await provider.start();
    const before = await provider.sign(await workloadRequest({ ttlMs: 60_000 }));
    const issuers = async () => (await server.admin('LIST', 'mesh-intermediate/issuers')).keys.length;
    const count = await issuers();
    await clock.advance(3600_000);
    await eventually(async () => (await issuers()) > count, IN_TIME);
    clock.jump(-3600_000);
    await eventually(async () => (await provider.fault()) === undefined, IN_TIME);
    const after = await provider.sign(await workloadRequest({ ttlMs: 60_000 }));
    expect(after.intermediatesPem).not.toBe(before.intermediatesPem);
    const root = new X509Certificate((await provider.roots())[0]!.pem);
    for (const { leafPem, intermediatesPem } of [before, after]) {
      const [intermediate] = readCertificates(intermediatesPem);
      expect(new X509Certificate(leafPem).verify(intermediate!.publicKey)).toBe(true);
      expect(intermediate!.verify(root.publicKey)).toBe(true);
    }
  });

  test('makes no intermediate under a root that nobody trusts yet, and takes it up when a next root is wanted', async () => {
    const clock = new FakeClock(Date.now());
    const settings = server.settings({ intermediateTtlMs: 30 * 60_000 });
    const provider = providers.provider(settings, { clock });
    await provider.start();
    const [before] = await provider.roots();
    await server.replaceRoot('mesh-root');
    expect(await provider.fault()).toBe(
      'the root at mesh-root in Vault was replaced, and workloads do not trust the new one: ask for a rotation ' +
        '(spec.ca.rotation.request), which takes it up, or make the old one the default issuer again',
    );
    const issuers = async () => (await server.admin('LIST', 'mesh-intermediate/issuers')).keys.length;
    const count = await issuers();
    await clock.advance(3600_000);
    await eventually(
      () => providers.log.lines.some(({ message }) => message.includes('needs somebody')),
      IN_TIME,
    );
    expect(await issuers()).toBe(count);
    clock.jump(-3600_000);
    const { intermediatesPem } = await provider.sign(await workloadRequest({ ttlMs: 60_000 }));
    const root = new X509Certificate(before!.pem);
    expect(readCertificates(intermediatesPem)[0]!.verify(root.publicKey)).toBe(true);
    const published = () => Promise.resolve(1);
    const restarted = providers.provider(settings, { publishedRoots: published });
    await restarted.start();
    expect(await restarted.roots()).toEqual([before]);

    const next = providers.provider(settings);
    await next.start();
    const [after] = await next.roots();
    expect(after!.pem).not.toBe(before!.pem);
    expect(await next.fault()).toBeUndefined();
    expect(await provider.fault()).toContain('leads to another root than workloads trust');
    expect(await next.sign(await workloadRequest())).toMatchObject({ leafPem: expect.any(String) });
  });

  test('makes no new root when workloads trust one already', async () => {
    const provider = providers.provider(server.settings(), { publishedRoots: () => Promise.resolve(1) });
    expect((await refusal(provider.start())).message).toContain('workloads trust one already');
    expect(Object.keys(await server.admin('GET', 'sys/mounts'))).not.toContain('mesh-root/');
  });

  test('makes one root however many replicas start at once', async () => {
    const replicas = Array.from({ length: 5 }, () => providers.provider(server.settings()));
    await Promise.all(replicas.map((replica) => replica.start()));
    expect((await server.admin('LIST', 'mesh-root/issuers')).keys).toHaveLength(1);
  });

  test('needs an issuer where no root mount is named, and the whole chain', async () => {
    const settings = server.settings({ rootPath: undefined });
    expect((await refusal(providers.provider(settings).start())).message).toContain(
      'has no issuer at mesh-intermediate',
    );
    await server.foreignIntermediate('mesh-intermediate', { withRoot: false });
    expect((await refusal(providers.provider(settings).start())).message).toContain('import the whole chain');
  });

  test('names every credential that is missing', async () => {
    providers.putSecret({ other: 'x' });
    const provider = providers.provider(server.settings({ auth: 'approle', authPath: 'approle' }));
    expect((await refusal(provider.start())).message).toContain(
      'Secret mesh/mesh-ca-vault lacks role-id and secret-id',
    );
  });

  test('shows nobody unknown its credentials: an address whose certificate does not verify gets no login', async () => {
    const giveUp = new AbortController();
    const settings = server.settings({ caCertificate: (await TestPki.create()).rootPem });
    const starting = providers.provider(settings).start(giveUp.signal);
    await eventually(() => providers.log.lines.length > 0, IN_TIME);
    giveUp.abort(new Error('enough'));
    await expect(starting).rejects.toThrow('enough');
    expect(providers.store.calls).toEqual([]);
    expect(String(providers.log.lines[0]?.fields['err'])).toMatch(
      /cannot be reached: .*(signature|self.signed|unable)/,
    );
  });

  test('signs a server’s certificate for servers only', async () => {
    const provider = providers.provider(server.settings());
    await provider.start();
    const { leafPem } = await provider.sign(await servingRequest());
    expect(new X509Certificate(leafPem).keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  });
});
