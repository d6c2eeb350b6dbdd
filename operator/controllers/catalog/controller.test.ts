import type { CatalogEntry } from '#core/model/catalog-entry.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import { endpointSlices } from '#kube/endpoint-slices.ts';
import { CATALOG_ENTRIES } from '#kube/types.ts';
import type { Pod, Service } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import type { Controller } from '../../control-loop/controller.ts';
import { ControllerWorld, RULES } from '../controllers.fake.ts';
import { kubeService, meshPod, meshServiceOf } from './catalog-objects.fake.ts';
import { CatalogController } from './controller.ts';
import { Reaches } from './reaches.ts';

const SLICES = endpointSlices({ endpointSliceVersion: 'v1' });

let world: ControllerWorld;
let meshServices: FakeCache<MeshService>;
let pods: FakeCache<Pod>;
let services: FakeCache<Service>;
let entries: FakeCache<CatalogEntry>;
let reaches: Reaches;

beforeEach(async () => {
  world = await ControllerWorld.make();
  [meshServices, pods, services, entries] = [
    new FakeCache(),
    new FakeCache(),
    new FakeCache(),
    new FakeCache(),
  ];
  reaches = new Reaches();
});

afterEach(() => world.end());

const run = (): Promise<Controller> =>
  world.run(
    new CatalogController({
      ...{
        api: world.fake.api,
        clock: world.clock,
        log: world.log,
        events: world.events,
        metrics: world.metrics,
      },
      ...{ meshNamespace: 'mesh', owner: undefined, slices: SLICES, proofs: undefined },
      ...{ meshServices, pods, services, entries, reaches, rules: RULES },
    }),
  );

/** Lets the controller see what it wrote, and finish. */
const settle = async (controller: Controller): Promise<void> => {
  await controller.idle();
  world.sync(CATALOG_ENTRIES, entries);
  await controller.idle();
};

const published = (): Record<string, CatalogEntry['spec']> =>
  Object.fromEntries(
    world.fake
      .objects(CATALOG_ENTRIES)
      .map(({ metadata, spec }) => [`${metadata.namespace}/${metadata.name}`, spec]),
  );

const writes = (): number =>
  world.fake.requests.filter(({ method }) => ['POST', 'PUT', 'DELETE'].includes(method)).length;

const serveBehind = (service: string, address: string): void =>
  void world.fake.put(SLICES, {
    metadata: { name: `${service}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  });

describe('the catalog', () => {
  test('has an entry for each service that can be reached, in the namespace of the mesh, and nothing is written twice', async () => {
    meshServices.put(meshServiceOf('db', { ports: [5432] }));
    meshServices.put(meshServiceOf('lonely'));
    services.put(kubeService('db', { app: 'db' }));
    pods.put(meshPod('db-0', 'db'));
    const controller = await run();
    await settle(controller);
    expect(Object.keys(published())).toEqual(['mesh/db.shop']);
    expect(published()['mesh/db.shop']).toMatchObject({ namespace: 'shop', service: 'db', ports: [5432] });
    expect(reaches.get('shop', 'db')).toMatchObject({ kind: 'reachable' });
    expect(reaches.get('shop', 'lonely')).toEqual({ kind: 'none' });
    const before = writes();
    pods.put(meshPod('db-1', 'db'));
    pods.put(meshPod('db-1', 'db', { ready: false }));
    await settle(controller);
    expect(writes()).toBe(before);
  });

  test('follows pods of headless Services, and forgets a service whose Service is gone', async () => {
    meshServices.put(meshServiceOf('db'));
    services.put(kubeService('peers', { app: 'db' }, { clusterIP: 'None', clusterIPs: ['None'] }));
    pods.put(meshPod('db-0', 'db', { address: '10.1.0.1' }));
    const controller = await run();
    await settle(controller);
    pods.put(meshPod('db-1', 'db', { address: '10.1.0.2' }));
    await settle(controller);
    expect(published()['mesh/db.shop']?.addresses).toEqual([
      { address: '10.1.0.1' },
      { address: '10.1.0.2' },
    ]);
    services.remove('shop/peers');
    await settle(controller);
    expect(published()).toEqual({});
  });

  test('puts right an entry that somebody else wrote or changed', async () => {
    meshServices.put(meshServiceOf('db'));
    services.put(kubeService('db', { app: 'db' }));
    pods.put(meshPod('db-0', 'db'));
    for (const name of ['db.shop', 'ghost.shop'])
      world.fake.put(CATALOG_ENTRIES, {
        metadata: { name, namespace: 'mesh' },
        spec: { namespace: 'shop', service: 'db', addresses: [{ address: '192.0.2.1' }] },
      });
    world.sync(CATALOG_ENTRIES, entries);
    const controller = await run();
    await settle(controller);
    expect(Object.keys(published())).toEqual(['mesh/db.shop']);
    expect(published()['mesh/db.shop']).not.toHaveProperty('addresses');
  });

  test('keeps a Service with its service when a pod of another takes its labels, ready or not, and tells nobody, since nothing changed', async () => {
    meshServices.put(meshServiceOf('db'));
    meshServices.put(meshServiceOf('evil'));
    services.put(kubeService('db', { app: 'db' }));
    pods.put(meshPod('db-0', 'db'));
    const controller = await run();
    await settle(controller);
    const before = published();
    for (const ready of [false, true]) {
      pods.put(meshPod('evil-0', 'evil', { labels: { app: 'db' }, ready }));
      await settle(controller);
      expect(published()).toEqual(before);
    }
    expect(world.events.told).toEqual([]);
  });

  test('tells both objects, and counts, when a Service means several services of the mesh', async () => {
    for (const name of ['a', 'b']) {
      meshServices.put(meshServiceOf(name));
      pods.put(meshPod(`${name}-0`, name, { labels: { tier: 'data' } }));
    }
    services.put(kubeService('data', { tier: 'data' }));
    const controller = await run();
    await settle(controller);
    const told = world.events.told.map(
      ({ about, reason }) => `${about.kind} ${about.metadata.name} ${reason}`,
    );
    expect([...new Set(told)].sort()).toEqual([
      'MeshService a SharedService',
      'MeshService b SharedService',
      'Service data SharedService',
    ]);
    expect(published()['mesh/a.shop']?.ambiguous).toEqual([{ name: 'data', clusterIPs: ['10.96.0.4'] }]);
    const gauge = await world.metrics.catalogServices.get();
    expect(gauge.values.find(({ labels }) => labels.reach === 'ambiguous')?.value).toBe(2);
  });

  test('takes in a Service that serves pods outside of the mesh when those are gone', async () => {
    meshServices.put(meshServiceOf('db'));
    services.put(kubeService('db', { app: 'db' }));
    pods.put(meshPod('db-0', 'db', { address: '10.1.0.1' }));
    serveBehind('db', '10.1.0.99');
    const controller = await run();
    await settle(controller);
    expect(published()).toEqual({});
    expect(reaches.get('shop', 'db')).toEqual({ kind: 'mixed', service: 'db' });
    serveBehind('db', '10.1.0.1');
    await world.clock.advance(5_000);
    await settle(controller);
    expect(Object.keys(published())).toEqual(['mesh/db.shop']);
  });

  test('is written at a limited rate for one namespace once it was written whole', async () => {
    meshServices.put(meshServiceOf('db'));
    services.put(kubeService('peers', { app: 'db' }, { clusterIP: 'None', clusterIPs: ['None'] }));
    const controller = await run();
    const change = async (index: number): Promise<void> => {
      pods.put(meshPod('db-0', 'db', { address: `10.1.${index >> 8}.${index & 255}` }));
      await settle(controller);
    };
    for (let index = 0; index < 2_100; index++) await change(index);
    expect(writes()).toBeLessThanOrEqual(2_000);
    await world.clock.advance(1_000);
    await settle(controller);
    expect(published()['mesh/db.shop']?.addresses).toEqual([{ address: '10.1.8.51' }]);
  }, 60_000);
});
