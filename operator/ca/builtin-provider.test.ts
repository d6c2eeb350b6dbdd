import { trustDomain } from '#core/spiffe-id.ts';
import type { OwnerReference } from '#core/resource.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { KubeConnectionError, KubeError } from '#kube/errors.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import type { Secret } from '#kube/types.ts';
import { generateKeys, privateKeyPem, spkiDer } from '#pki/keys.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { BuiltinProvider } from './builtin-provider.ts';
import type { BuiltinProviderDeps } from './builtin-provider.ts';
import { CaStateError } from './provider.ts';
import { StoreApi } from './store-api.fake.ts';

const OWNER: OwnerReference = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  name: 'mesh-operator',
  uid: 'u1',
};
const KEY = 'secrets mesh/mesh-ca';

describe('the builtin provider', () => {
  let store: StoreApi;
  let log: FakeLog;
  let clock: FakeClock;
  beforeEach(() => {
    store = new StoreApi();
    log = new FakeLog();
    clock = new FakeClock(Date.now());
  });

  const provider = (parts: Partial<BuiltinProviderDeps> = {}): BuiltinProvider =>
    new BuiltinProvider({
      api: store.api,
      clock,
      log,
      namespace: 'mesh',
      trustDomain: trustDomain('cluster.local'),
      ...parts,
    });

  const root = async (from: BuiltinProvider): Promise<string> => (await from.roots())[0]!.pem;

  const put = (data: Record<string, string> | undefined): void =>
    store.put('secrets', {
      metadata: { name: 'mesh-ca', namespace: 'mesh' },
      ...(data
        ? {
            data: Object.fromEntries(
              Object.entries(data).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
            ),
          }
        : {}),
    });

  test('makes the root once, and reads it ever after', async () => {
    const first = provider({ owner: OWNER });
    await first.start();
    const secret = store.objects.get(KEY) as Secret;
    expect(secret.metadata.ownerReferences).toEqual([OWNER]);
    expect(Object.keys(secret.data ?? {})).toEqual(['root.crt', 'root.key']);
    const second = provider();
    await second.start();
    expect(await root(second)).toBe(await root(first));
    expect(store.calls.filter((call) => call.startsWith('create'))).toHaveLength(1);
  });

  test('agrees on one root when replicas race: all looked, none was there, all create', async () => {
    let looking = 0;
    let go: () => void = () => undefined;
    const everybodyLooked = new Promise<void>((resolve) => (go = resolve));
    const replicas = [provider(), provider(), provider(), provider()];
    store.before = ({ method }) => {
      if (method !== 'get' || looking >= replicas.length) return undefined;
      looking += 1;
      if (looking === replicas.length) go();
      return everybodyLooked;
    };
    await Promise.all(replicas.map((replica) => replica.start()));
    const roots = new Set(await Promise.all(replicas.map(root)));
    expect(store.calls.filter((call) => call.startsWith('create'))).toHaveLength(4);
    expect([...roots]).toEqual([
      Buffer.from((store.objects.get(KEY) as Secret).data!['root.crt']!, 'base64').toString(),
    ]);
  });

  test('never writes the key to the log, nor into an error', async () => {
    await provider().start();
    const keyPem = Buffer.from((store.objects.get(KEY) as Secret).data!['root.key']!, 'base64').toString();
    const foreign = await TestPki.create();
    put({ 'root.crt': foreign.rootPem, 'root.key': keyPem });
    const error: unknown = await provider()
      .start()
      .catch((thrown: unknown) => thrown);
    const said =
      JSON.stringify(log.lines) + String(error) + JSON.stringify(error) + String((error as Error).stack);
    expect(log.lines.length).toBeGreaterThan(0);
    expect(said).toContain('mesh-ca');
    expect(said).not.toContain('PRIVATE KEY');
    for (const line of keyPem.split('\n').filter((text) => text.length > 20))
      expect(said).not.toContain(line);
  });

  test.each<[string, (pki: TestPki, now: number) => Promise<Record<string, string> | undefined>, string]>([
    ['is empty', async () => undefined, 'its field root.crt is missing'],
    ['lacks the key', async (pki) => ({ 'root.crt': pki.rootPem }), 'its field root.key is missing'],
    [
      'lacks the certificate',
      async (pki) => ({ 'root.key': pki.rootKeyPem }),
      'its field root.crt is missing',
    ],
    [
      'holds a key that cannot be read',
      async (pki) => ({ 'root.crt': pki.rootPem, 'root.key': 'rubbish' }),
      'the private key cannot be read',
    ],
    [
      'holds a certificate that cannot be read',
      async (pki) => ({ 'root.crt': 'rubbish', 'root.key': pki.rootKeyPem }),
      'PEM',
    ],
    [
      'holds the key of another certificate',
      async (pki) => ({
        'root.crt': pki.rootPem,
        'root.key': privateKeyPem((await generateKeys()).privateKey),
      }),
      'does not belong to the key',
    ],
    [
      'holds a leaf instead of a root',
      async (pki) => {
        const leaf = await pki.leaf({ namespace: 'shop', service: 'web' });
        return { 'root.crt': leaf.certChainPem, 'root.key': leaf.keyPem };
      },
      'is not a CA certificate',
    ],
    [
      'holds the root of another trust domain',
      async () => {
        const other = await TestPki.create({ trustDomain: 'other.example' });
        return { 'root.crt': other.rootPem, 'root.key': other.rootKeyPem };
      },
      "the mesh's trust domain is cluster.local",
    ],
  ])('refuses to start, and makes no new root, when the Secret %s', async (_what, data, message) => {
    put(await data(await TestPki.create(), clock.now()));
    const before = store.objects.get(KEY);
    const error: unknown = await provider()
      .start()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CaStateError);
    expect((error as Error).message).toContain(`Secret mesh/mesh-ca is broken: `);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toContain('Restore it from a backup');
    expect(store.objects.get(KEY)).toBe(before);
    expect(store.calls.some((call) => call.startsWith('create'))).toBe(false);
  });

  test('starts with a root that has ended, says so, and signs nothing', async () => {
    const old = await TestPki.create({ now: clock.now() - 11 * 365 * 24 * 3600 * 1000 });
    put({ 'root.crt': old.rootPem, 'root.key': old.rootKeyPem });
    const started = provider();
    await started.start();
    expect(await started.fault()).toContain('the root certificate has ended, on ');
    const keys = await generateKeys();
    const key = { spki: spkiDer(keys.publicKey), csrPem: '' };
    const request = { kind: 'serving', ...key, ttlMs: 60_000, dnsNames: ['mesh-operator'] } as const;
    await expect(started.sign(request)).rejects.toThrow('the signer has ended');
  });

  test('refuses to make a new root when the Secret is gone but workloads trust its root', async () => {
    await expect(provider({ publishedRoots: () => Promise.resolve(1) }).start()).rejects.toThrow(
      'workloads trust its root',
    );
    expect(store.objects.size).toBe(0);
    await provider({ publishedRoots: () => Promise.resolve(0) }).start();
  });

  test('waits for an API server that is away or busy, and takes a no for a no', async () => {
    let failures = 0;
    store.before = () => {
      failures += 1;
      if (failures === 1) throw new KubeConnectionError('connect ECONNREFUSED');
      if (failures === 2)
        throw new KubeError({ status: 503, reason: 'ServiceUnavailable', message: 'starting' });
    };
    const waiting = provider();
    let done = false;
    const started = waiting.start().then(() => (done = true));
    for (let turn = 0; turn < 200 && !done; turn += 1) {
      await clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await started;
    expect(await root(waiting)).toContain('BEGIN CERTIFICATE');
    store.before = () => {
      throw new KubeError({ status: 403, reason: 'Forbidden', message: 'secrets is forbidden' });
    };
    await expect(provider().start()).rejects.toThrow('forbidden');
  });

  test('is unwell when the Secret is gone or holds another root, and well while the API server is away', async () => {
    const running = provider();
    expect(await running.fault()).toContain('not ready');
    await running.start();
    expect(await running.fault()).toBeUndefined();
    const other = await TestPki.create();
    put({ 'root.crt': other.rootPem, 'root.key': other.rootKeyPem });
    expect(await running.fault()).toContain('holds another root');
    put({ 'root.crt': 'rubbish', 'root.key': 'rubbish' });
    expect(await running.fault()).toContain('is broken');
    store.remove('secrets', 'mesh/mesh-ca');
    expect(await running.fault()).toContain('is gone');
    store.before = () => {
      throw new KubeConnectionError('connect ECONNREFUSED');
    };
    expect(await running.fault()).toBeUndefined();
  });
});
