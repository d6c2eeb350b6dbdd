import { namespaceName, serviceName } from '#core/names.ts';
import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { CATALOG_ENTRIES } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { FakeIdentity } from '../../testing/sources.fake.ts';
import type { Resolution, Target } from '../../dataplane/interfaces/resolver.ts';
import { eventually, pause } from '#base/testing/eventually.fake.ts';
import { FakeTrust, meshConfigOf } from '../trust/trust.fake.ts';
import { Catalog } from './catalog.ts';
import { CatalogResolver } from './catalog-resolver.ts';
import { EndpointPool } from './endpoint-pool.ts';
import { MESH_NAMESPACE, dbService, entry, pod, slice } from './objects.fake.ts';
import { SliceApi } from './slice-api.ts';
import { SLICES } from './slice.ts';

const web = { namespace: namespaceName('shop'), service: serviceName('web') };
const db = { namespace: namespaceName('shop'), service: serviceName('db') };

let pki: TestPki;
let fake: FakeApiServer;
let catalog: Catalog;
let pool: EndpointPool;
let resolver: CatalogResolver;
let identity: FakeIdentity;

beforeAll(async () => {
  pki = await TestPki.create();
});

beforeEach(async () => {
  fake = await FakeApiServer.started();
  const shared = { api: fake.api, clock: systemClock, log: new FakeLog() };
  const trust = trustOf();
  catalog = new Catalog({ ...shared, meshNamespace: namespaceName(MESH_NAMESPACE) });
  const slices = { ...shared, api: new SliceApi(shared.api) };
  pool = new EndpointPool({ ...slices, idleMs: 100 });
  identity = new FakeIdentity(await pki.svid(web), pki.bundle);
  resolver = new CatalogResolver({
    identity,
    catalog,
    pool,
    trust,
    clock: systemClock,
    podIps: ['10.1.0.9'],
    patienceMs: 2_000,
  });
});

afterEach(async () => {
  await Promise.all([catalog.stop(), pool.stop()]);
  await fake.close();
});

function trustOf(): FakeTrust {
  const trust = new FakeTrust();
  trust.set(meshConfigOf([pki]));
  return trust;
}

function targetOf(resolution: Resolution): Target {
  if (resolution.kind !== 'mesh') throw new Error(JSON.stringify(resolution));
  return resolution.target;
}

function reasonOf(resolution: Resolution): string {
  return resolution.kind === 'unknown' ? resolution.reason : resolution.kind;
}

function putDb(): void {
  fake.put(CATALOG_ENTRIES, entry('db', { services: [dbService] }));
  fake.put(
    SLICES,
    slice('db-1', { endpoints: [pod('10.1.0.1'), pod('10.1.0.2', { ready: false }), pod('10.1.0.3', {})] }),
  );
}

describe('a cluster IP', () => {
  test('leads to the ready pods of its service, at the port inside them', async () => {
    putDb();
    catalog.start();
    const target = targetOf(await resolver.resolve('10.96.0.5', 5432));
    expect(target.service).toEqual(db);
    expect(target.spiffeId).toBe('spiffe://cluster.local/ns/shop/dc/dc1/svc/db');
    expect(target.endpoints()).toEqual([
      { address: '10.1.0.1', port: 15432 },
      { address: '10.1.0.3', port: 15432 },
    ]);
    target.release();
  });

  test('leads to a process outside of pods beside them, by the number of the port', async () => {
    const services = [{ ...dbService, ports: [{ name: 'pg', port: 5432, targetPort: 15432 }] }];
    fake.put(CATALOG_ENTRIES, entry('db', { services }));
    fake.put(SLICES, slice('db-1', { endpoints: [pod('10.1.0.1')] }));
    const outside = (name: string, port: number) =>
      slice(name, {
        endpoints: [pod('10.9.0.1')],
        ports: [
          { name: 'mesh-app', port },
          { name: 'mesh-sidecar', port: 40_001 },
        ],
      });
    fake.put(SLICES, outside('db-outside', 15432));
    fake.put(SLICES, outside('db-elsewhere', 7777));
    catalog.start();
    const target = targetOf(await resolver.resolve('10.96.0.5', 5432));
    expect(target.endpoints()).toEqual([
      { address: '10.1.0.1', port: 15432 },
      { address: '10.9.0.1', port: 15432, peerPort: 40_001 },
    ]);
    target.release();
  });

  test('is found however IPv6 is written, and prefers pods of its family', async () => {
    putDb();
    fake.put(SLICES, slice('db-6', { addressType: 'IPv6', endpoints: [pod('fd00:1::1')] }));
    catalog.start();
    const target = targetOf(await resolver.resolve('fd00:96::5', 5432));
    expect(target.endpoints()).toEqual([{ address: 'fd00:1::1', port: 15432 }]);
    expect(targetOf(await resolver.resolve('10.96.0.5', 5432)).endpoints()).toHaveLength(2);
  });

  test('at a port its Service has not is refused', async () => {
    putDb();
    catalog.start();
    expect(reasonOf(await resolver.resolve('10.96.0.5', 80))).toBe('the Service shop/db has no port 80');
  });

  test('of nobody in the mesh is outside', async () => {
    putDb();
    catalog.start();
    expect(await resolver.resolve('10.96.0.77', 80)).toEqual({ kind: 'outside' });
    expect(fake.requests.some(({ path }) => path.includes('endpointslices'))).toBe(false);
  });

  test('follows its service: new pods, leaving pods, no pods', async () => {
    putDb();
    catalog.start();
    const target = targetOf(await resolver.resolve('10.96.0.5', 5432));
    let changes = 0;
    target.onChange(() => changes++);
    fake.put(SLICES, slice('db-1', { endpoints: [pod('10.1.0.4')] }));
    await eventually(() => target.endpoints()[0]?.address === '10.1.0.4');
    expect(changes).toBeGreaterThan(0);
    fake.put(
      SLICES,
      slice('db-1', { endpoints: [pod('10.1.0.4', { ready: false, serving: true, terminating: true })] }),
    );
    await pause(50);
    expect(target.endpoints()).toEqual([{ address: '10.1.0.4', port: 15432 }]);
    fake.put(
      SLICES,
      slice('db-1', { endpoints: [pod('10.1.0.4', { ready: false, serving: false, terminating: true })] }),
    );
    await eventually(() => target.endpoints().length === 0);
  });

  test('moves with its Service from one service of the mesh to another', async () => {
    putDb();
    catalog.start();
    targetOf(await resolver.resolve('10.96.0.5', 5432)).release();
    const meaning = () => catalog.index.meaning('10.96.0.5', 5432);
    fake.put(CATALOG_ENTRIES, entry('newdb', { services: [dbService] }));
    fake.remove(CATALOG_ENTRIES, { name: 'db.shop', namespace: MESH_NAMESPACE });
    await eventually(() => catalog.index.byName(db) === undefined);
    expect(meaning()).toMatchObject({
      kind: 'service',
      backing: { known: { identity: { service: 'newdb' } } },
    });
    fake.remove(CATALOG_ENTRIES, { name: 'newdb.shop', namespace: MESH_NAMESPACE });
    await eventually(() => meaning().kind === 'outside');
  });
});

describe('endpoints are watched', () => {
  const sliceWatches = () =>
    fake.requests.filter(({ path, watch }) => watch && path.includes('endpointslices')).length;

  test('once for a service in use, and no longer after it was idle', async () => {
    putDb();
    catalog.start();
    const targets = await Promise.all(Array.from({ length: 20 }, () => resolver.resolve('10.96.0.5', 5432)));
    expect(pool.size).toBe(1);
    await eventually(() => sliceWatches() === 1);
    for (const resolution of targets) targetOf(resolution).release();
    for (const resolution of targets) targetOf(resolution).release();
    expect(pool.size).toBe(1);
    await eventually(() => pool.size === 0);
    const again = targetOf(await resolver.resolve('10.96.0.5', 5432));
    expect(again.endpoints()).toHaveLength(2);
  });

  test('on while somebody uses them', async () => {
    putDb();
    catalog.start();
    const target = targetOf(await resolver.resolve('10.96.0.5', 5432));
    const other = targetOf(await resolver.resolve('10.96.0.5', 5432));
    other.release();
    // Releasing twice must not take away what another connection uses.
    other.release();
    await pause(200);
    expect(pool.size).toBe(1);
    target.release();
  });
});

describe('a name', () => {
  const nameTest = (
    title: string,
    setUp: () => void,
    port: number | undefined,
    expected: number | string,
  ): void => {
    test(title, async () => {
      setUp();
      catalog.start();
      const resolution = await resolver.upstream(db, port);
      if (typeof expected === 'string') expect(reasonOf(resolution)).toBe(expected);
      else expect(targetOf(resolution).endpoints()[0]?.port).toBe(expected);
    });
  };
  const put = (more: object) => () => {
    putDb();
    fake.put(CATALOG_ENTRIES, entry('db', { services: [dbService], ...more }));
  };

  nameTest('without a port leads to the first port of its Service', putDb, undefined, 15432);
  nameTest('with a port of its Service', putDb, 5432, 15432);
  nameTest('with a port it has not', putDb, 80, 'the service shop/db has no port 80');
  nameTest('with a declared port of the application', put({ ports: [9000] }), 9000, 9000);
  nameTest('without a port, where one is declared', put({ ports: [9000] }), undefined, 9000);
  nameTest(
    'without a port, where the declared one is the target of a port of the Service',
    put({
      ports: [15432],
      services: [{ ...dbService, ports: [{ name: 'pg', port: 5432, targetPort: 15432 }] }],
    }),
    undefined,
    15432,
  );
  nameTest(
    'nobody has',
    () => undefined,
    undefined,
    'there is no service shop/db in the mesh, or no Kubernetes Service selects its pods',
  );
  nameTest(
    'whose only Kubernetes Service selects pods of others too',
    put({ services: [], ambiguous: [{ name: 'all', clusterIPs: ['10.96.0.9'] }] }),
    undefined,
    'every Kubernetes Service that selects the pods of shop/db selects those of others too',
  );

  test('is found once it appears', async () => {
    catalog.start();
    expect((await resolver.upstream(db)).kind).toBe('unknown');
    putDb();
    await eventually(() => catalog.index.byName(db) !== undefined);
    expect((await resolver.upstream(db)).kind).toBe('mesh');
  });
});

describe('the address of a pod', () => {
  const headless = {
    name: 'db-peers',
    clusterIPs: [],
    headless: true,
    ports: [{ port: 5432, targetPort: 5432 }],
  };
  const put = (name: string, spec: object, namespace?: string) =>
    fake.put(CATALOG_ENTRIES, entry(name, { services: [headless], ...spec }, namespace));

  test('of a headless Service means that very pod, at the port that was dialed', async () => {
    put('db', { addresses: [{ address: '10.1.0.1' }, { address: 'fd00:1:0::1' }] });
    catalog.start();
    const target = targetOf(await resolver.resolve('10.1.0.1', 7000));
    expect(target.service).toEqual(db);
    expect(target.endpoints()).toEqual([{ address: '10.1.0.1', port: 7000 }]);
    expect(targetOf(await resolver.resolve('fd00:1::1', 7000)).service).toEqual(db);
    expect(await resolver.resolve('10.1.0.77', 7000)).toEqual({ kind: 'outside' });
    put('db', { addresses: [{ address: '10.1.0.3' }] });
    await eventually(() => catalog.index.meaning('10.1.0.3', 1).kind === 'pod');
    expect(await resolver.resolve('10.1.0.1', 7000)).toEqual({ kind: 'outside' });
  });

  test('of a machine outside, where several services share an address, means the one whose port it is', async () => {
    put('db', { addresses: [{ address: '10.9.0.1', ports: [5432], sidecarPort: 40_002 }] });
    put('cache', { addresses: [{ address: '10.9.0.1', ports: [6379], sidecarPort: 40_001 }] });
    catalog.start();
    const target = targetOf(await resolver.resolve('10.9.0.1', 5432));
    expect(target.service).toEqual(db);
    expect(target.endpoints()).toEqual([{ address: '10.9.0.1', port: 5432, peerPort: 40_002 }]);
    const other = targetOf(await resolver.resolve('10.9.0.1', 6379));
    expect(other.endpoints()).toEqual([{ address: '10.9.0.1', port: 6379, peerPort: 40_001 }]);
    for (const port of [22, 40_001])
      expect(await resolver.resolve('10.9.0.1', port)).toEqual({ kind: 'outside' });
  });

  test('that an EndpointSlice of any namespace names, and the operator does not, is outside', async () => {
    put('db', { addresses: [{ address: '10.1.0.1' }] });
    fake.put(
      SLICES,
      slice('captured', {
        ...{ service: 'db-peers', headless: true, endpoints: [pod('192.0.2.1')] },
        ports: [
          { name: 'pg', port: 443 },
          { name: 'mesh-sidecar', port: 30_123 },
        ],
      }),
    );
    catalog.start();
    expect(await resolver.resolve('192.0.2.1', 443)).toEqual({ kind: 'outside' });
  });
});

describe('an address that more than one service of the mesh claims', () => {
  test.each([
    ['a cluster IP that two entries have', { services: [dbService] }, { services: [dbService] }, '10.96.0.5'],
    [
      'a cluster IP that one entry has and another calls ambiguous',
      { services: [dbService] },
      { ambiguous: [{ name: 'db', clusterIPs: ['10.96.0.5'] }] },
      '10.96.0.5',
    ],
    [
      'a pod that two entries have',
      { addresses: [{ address: '10.1.0.1' }] },
      { addresses: [{ address: '10.1.0.1' }] },
      '10.1.0.1',
    ],
    [
      'a pod that one entry calls disputed',
      { addresses: [{ address: '10.1.0.1' }] },
      { disputed: ['10.1.0.1'] },
      '10.1.0.1',
    ],
  ])('is refused and never sent out in the clear: %s', async (_what, one, other, address) => {
    fake.put(CATALOG_ENTRIES, entry('db', one));
    fake.put(CATALOG_ENTRIES, entry('db', other, 'evil'));
    catalog.start();
    const resolution = await resolver.resolve(address, 5432);
    expect(reasonOf(resolution)).toMatch(/is claimed by several services of the mesh \(.*db\.evil/);
  });
});

describe('an entry that is not of the shape that is expected', () => {
  test('is left out when its name says nothing, and harms no other', async () => {
    putDb();
    fake.put(CATALOG_ENTRIES, {
      metadata: { name: 'nonsense', namespace: MESH_NAMESPACE },
      spec: {},
    } as never);
    fake.put(CATALOG_ENTRIES, { metadata: { name: 'bare.shop', namespace: MESH_NAMESPACE } });
    fake.put(CATALOG_ENTRIES, entry('odd', { services: [{ name: 'odd' }], addresses: [{ address: '::' }] }));
    catalog.start();
    targetOf(await resolver.resolve('10.96.0.5', 5432)).release();
    expect(catalog.index.size).toBe(3);
  });
});

describe('before there is a certificate', () => {
  test('connections to the mesh wait for it, others do not', async () => {
    putDb();
    const svid = await pki.svid(web);
    const later = new FakeIdentity();
    const waiting = new CatalogResolver({
      identity: later,
      catalog,
      pool,
      trust: trustOf(),
      clock: systemClock,
      podIps: ['10.1.0.9'],
      patienceMs: 2_000,
    });
    catalog.start();
    const pending = waiting.resolve('10.96.0.5', 5432);
    expect(await waiting.resolve('10.96.0.77', 80)).toEqual({ kind: 'outside' });
    later.set({ svid, bundle: pki.bundle });
    targetOf(await pending).release();
    expect(later.listeners).toBe(0);
  });

  test('and are refused in the end', async () => {
    putDb();
    const never = new FakeIdentity();
    const waiting = new CatalogResolver({
      identity: never,
      catalog,
      pool,
      trust: trustOf(),
      clock: systemClock,
      podIps: ['10.1.0.9'],
      patienceMs: 200,
    });
    catalog.start();
    expect(reasonOf(await waiting.resolve('10.96.0.5', 5432))).toBe('this sidecar has no certificate yet');
    expect(never.listeners).toBe(0);
  });
});

describe('what was not read', () => {
  test('is waited for, and then refused rather than sent out in the clear', async () => {
    putDb();
    fake.failNext(500, 1_000);
    catalog.start();
    const from = Date.now();
    const [byAddress, byName] = await Promise.all([
      resolver.resolve('10.96.0.77', 80),
      resolver.upstream(db),
    ]);
    expect(reasonOf(byAddress)).toMatch(/services of the mesh have not been read/);
    expect(reasonOf(byName)).toMatch(/services of the mesh have not been read/);
    expect(Date.now() - from).toBeLessThan(20_000);
  });

  test('of endpoints is refused as well, and the watch goes on', async () => {
    putDb();
    fake.failNext(500, 2, undefined, ({ path }) => path.includes('endpointslices'));
    catalog.start();
    await catalog.synced;
    await eventually(() => fake.openWatches === 1);
    const first = await resolver.resolve('10.96.0.5', 5432);
    if (first.kind === 'unknown') expect(first.reason).toMatch(/endpoints of the Service shop\/db/);
    await pause(50);
    await eventually(() => pool.size <= 1);
    for (;;) {
      const next = await resolver.resolve('10.96.0.5', 5432);
      if (next.kind === 'mesh') break;
    }
  });

  test('changes nothing for what was read before', async () => {
    putDb();
    catalog.start();
    targetOf(await resolver.resolve('10.96.0.5', 5432));
    await fake.stop();
    expect(targetOf(await resolver.resolve('10.96.0.5', 5432)).endpoints()).toHaveLength(2);
    expect(await resolver.resolve('1.2.3.4', 443)).toEqual({ kind: 'outside' });
    await fake.start();
  });
});
