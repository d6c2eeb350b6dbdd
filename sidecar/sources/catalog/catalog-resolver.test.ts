import { eventually, pause } from '#base/testing/eventually.ts';
import type { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { CATALOG_ENTRIES } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import type { Catalog } from './catalog.ts';
import type { CatalogResolver } from './catalog-resolver.ts';
import { CatalogWorld, db, reasonOf, targetOf } from './catalog-world.fake.ts';
import { MESH_NAMESPACE, dbService, entry, pod, slice } from './objects.fake.ts';
import { SLICES } from './slice.ts';

let pki: TestPki;
let world: CatalogWorld;
let fake: FakeApiServer;
let catalog: Catalog;
let resolver: CatalogResolver;
let putDb: CatalogWorld['putDb'];

beforeAll(async () => {
  pki = await TestPki.create();
});

beforeEach(async () => {
  world = await CatalogWorld.prepare(pki);
  ({ fake, catalog, resolver, putDb } = world);
});

afterEach(() => world.close());

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

  nameTest('without a port leads to the first port of its Service', () => putDb(), undefined, 15432);
  nameTest('with a port of its Service', () => putDb(), 5432, 15432);
  nameTest('with a port it has not', () => putDb(), 80, 'the service shop/db has no port 80');
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
