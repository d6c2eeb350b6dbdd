import { eventually, pause } from '#base/testing/eventually.ts';
import type { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { CATALOG_ENTRIES } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { FakeIdentity } from '../../testing/sources.fake.ts';
import type { Catalog } from './catalog.ts';
import type { CatalogResolver } from './catalog-resolver.ts';
import { CatalogWorld, db, reasonOf, targetOf, web } from './catalog-world.fake.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import { MESH_NAMESPACE, dbService, entry } from './objects.fake.ts';

let pki: TestPki;
let world: CatalogWorld;
let fake: FakeApiServer;
let catalog: Catalog;
let pool: EndpointPool;
let resolver: CatalogResolver;
let putDb: CatalogWorld['putDb'];

beforeAll(async () => {
  pki = await TestPki.create();
});

beforeEach(async () => {
  world = await CatalogWorld.prepare(pki);
  ({ fake, catalog, pool, resolver, putDb } = world);
});

afterEach(() => world.close());

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
    const waiting = world.resolverOf(later);
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
    const waiting = world.resolverOf(never, 200);
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
