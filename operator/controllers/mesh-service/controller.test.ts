import type { MeshService } from '#core/model/mesh-service.ts';
import { MESH_SERVICES } from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import { StatusWriter } from '../../control-loop/status-writer.ts';
import { Reaches } from '../catalog/reaches.ts';
import { ControllerWorld, RULES, SCOPE, pod } from '../controllers.fake.ts';
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
      ...{ meshServices, pods, reaches, scope: SCOPE, meshNamespace: 'mesh', rules: RULES },
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
    expect(world.events.told).toMatchObject([
      { type: 'Warning', reason: 'ServiceNameTaken', about: { kind: 'Pod', metadata: { name: 'evil' } } },
      { type: 'Warning', reason: 'ServiceAccountNotAllowed' },
    ]);
    expect(find('db')?.status?.conditions?.find(({ type }) => type === 'IdentityAllowed')?.status).toBe(
      'False',
    );
  });

  test('a pod whose name is taken has one Event, before it runs, and so has one that waits when the name gets an owner', async () => {
    const told = () =>
      world.events.told
        .filter(({ reason }) => reason === 'ServiceNameTaken')
        .map(({ about }) => about.metadata.name);
    pods.put(pod('b-0', 'db', { account: 'two', status: { podIP: undefined, phase: 'Pending' } }));
    pods.put(pod('a-0', 'db', { account: 'one' }));
    const controller = await world.run(duty());
    expect(told()).toEqual([]);
    world.sync(MESH_SERVICES, meshServices);
    await controller.idle();
    expect(told()).toEqual(['b-0']);
    pods.put(pod('b-0', 'db', { account: 'two' }));
    pods.put(pod('b-1', 'db', { account: 'two', status: { podIP: undefined, phase: 'Pending' } }));
    await controller.idle();
    expect(told()).toEqual(['b-0', 'b-1']);
    expect(world.events.told.find(({ reason }) => reason === 'ServiceNameTaken')?.message).toContain(
      'service db belongs to ServiceAccount one: this pod of ServiceAccount two gets no certificate',
    );
  });

  test('what was made for a Job goes to the workload that goes on, with an Event', async () => {
    pods.put(pod('migrate', 'db', { account: 'migrate', owner: { kind: 'Job', name: 'migrate' } }));
    const controller = await world.run(duty());
    world.sync(MESH_SERVICES, meshServices);
    await controller.idle();
    expect(find('db')?.spec?.serviceAccounts).toEqual(['migrate']);
    const goesOn = pod('db-0', 'db', { account: 'data' });
    pods.put({ ...goesOn, spec: { ...goesOn.spec!, restartPolicy: 'Always' } });
    await controller.idle();
    expect(find('db')?.spec?.serviceAccounts).toEqual(['migrate']);
    world.sync(MESH_SERVICES, meshServices);
    await controller.idle();
    pods.put(pod('migrate', 'db', { account: 'migrate', status: { phase: 'Succeeded' } }));
    await controller.idle();
    expect(find('db')?.spec?.serviceAccounts).toEqual(['data']);
    expect(find('db')?.metadata.labels).toEqual({ 'app.kubernetes.io/managed-by': 'mesh-operator' });
    expect(world.events.told.map(({ reason }) => reason)).toContain('ServiceAccountChosen');
  });

  test('services that share a ServiceAccount name each other when the second one comes, and no longer when it goes', async () => {
    const put = (name: string) =>
      meshServices.put(
        world.fake.put(MESH_SERVICES, {
          metadata: { name, namespace: 'shop', generation: 1 },
          spec: { serviceAccounts: ['app'] },
        }),
      );
    const exclusive = (name: string) =>
      find(name)?.status?.conditions?.find(({ type }) => type === 'IdentityExclusive')?.status;
    put('cart');
    const controller = await world.run(duty());
    expect(exclusive('cart')).toBe('True');
    world.sync(MESH_SERVICES, meshServices);
    put('checkout');
    await controller.idle();
    expect([exclusive('cart'), exclusive('checkout')]).toEqual(['False', 'False']);
    expect(world.events.told.filter(({ reason }) => reason === 'SharedServiceAccount')).toHaveLength(2);
    world.sync(MESH_SERVICES, meshServices);
    world.fake.remove(MESH_SERVICES, { name: 'checkout', namespace: 'shop' });
    meshServices.remove('shop/checkout');
    await controller.idle();
    expect(exclusive('cart')).toBe('True');
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
