import type { MeshService } from '#core/model/mesh-service.ts';
import { MESH_SERVICES } from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../cache.fake.ts';
import { StatusWriter } from '../../status-writer.ts';
import { ControllerWorld, SCOPE, pod } from '../controllers.fake.ts';
import { Reaches } from '../catalog/reaches.ts';
import { MeshServiceController } from './controller.ts';

let world: ControllerWorld;

beforeEach(async () => {
  world = await ControllerWorld.make();
});

afterEach(() => world.end());

describe('the mesh service controller', () => {
  let meshServices: FakeCache<MeshService>;
  let pods: FakeCache<Pod>;
  let reaches: Reaches;
  const writes = (): number => world.fake.requests.filter(({ method }) => method === 'PATCH').length;
  const find = (name: string): MeshService | undefined =>
    world.fake.find(MESH_SERVICES, { name, namespace: 'shop' });

  beforeEach(() => {
    [meshServices, pods] = [new FakeCache(), new FakeCache()];
    reaches = new Reaches();
    reaches.set('shop', new Map());
  });

  const duty = (): MeshServiceController =>
    new MeshServiceController({
      api: world.fake.api,
      clock: world.clock,
      events: world.events,
      log: world.log,
      ...{ meshServices, pods, reaches, scope: SCOPE, meshNamespace: 'mesh' },
      status: new StatusWriter(MESH_SERVICES, { ...world, api: world.fake.api }),
    });

  test('counts of instances wait ten seconds; what is routed by does not', async () => {
    pods.put(pod('db-0', 'db'));
    const controller = await world.run(duty());
    world.sync(MESH_SERVICES, meshServices);
    await controller.idle();
    expect([writes(), find('db')?.status?.instances]).toEqual([1, { ready: 1, total: 1 }]);
    world.sync(MESH_SERVICES, meshServices);

    pods.put(pod('db-1', 'db'));
    await controller.idle();
    expect(writes()).toBe(1);
    const services = [{ name: 'db', clusterIPs: ['10.0.0.1'], headless: false, ports: [] }];
    reaches.set('shop', new Map([['db', { kind: 'reachable', services }]]));
    await controller.idle();
    expect([writes(), find('db')?.status?.virtualIPs]).toEqual([2, ['10.0.0.1']]);
    world.sync(MESH_SERVICES, meshServices);

    pods.put(pod('db-2', 'db', { ready: false }));
    await controller.idle();
    expect(writes()).toBe(2);
    await world.clock.advance(10_000);
    await controller.idle();
    expect([writes(), find('db')?.status?.instances]).toEqual([3, { ready: 2, total: 3 }]);
  });

  test('no status is written before the catalog of the namespace is known', async () => {
    reaches = new Reaches();
    pods.put(pod('db-0', 'db'));
    const controller = await world.run(duty());
    world.sync(MESH_SERVICES, meshServices);
    await controller.idle();
    expect(writes()).toBe(0);
    reaches.set('shop', new Map());
    await controller.idle();
    expect(find('db')?.status?.conditions?.find(({ type }) => type === 'Reachable')?.reason).toBe(
      'NoService',
    );
  });

  test('tells when pods call themselves a service they may not be', async () => {
    meshServices.put(
      world.fake.put(MESH_SERVICES, {
        metadata: { name: 'db', namespace: 'shop', generation: 1 },
        spec: { serviceAccounts: ['db'] },
      }),
    );
    pods.put(pod('evil', 'db', { account: 'web' }));
    await world.run(duty());
    expect(world.events.told).toMatchObject([{ type: 'Warning', reason: 'ServiceAccountNotAllowed' }]);
    expect(find('db')?.status?.conditions?.find(({ type }) => type === 'IdentityAllowed')?.status).toBe(
      'False',
    );
  });

  test('a MeshService that somebody else made first is left as it is', async () => {
    world.fake.put(MESH_SERVICES, {
      metadata: { name: 'db', namespace: 'shop' },
      spec: { serviceAccounts: ['theirs'] },
    });
    pods.put(pod('db-0', 'db'));
    await world.run(duty());
    expect(find('db')?.spec?.serviceAccounts).toEqual(['theirs']);
  });

  test('never makes the operator’s own service for a pod that claims it', async () => {
    const claim = pod('x', 'mesh-operator');
    pods.put({ ...claim, metadata: { ...claim.metadata, namespace: 'mesh' } });
    await world.run(duty());
    expect(world.fake.objects(MESH_SERVICES)).toEqual([]);
  });
});
