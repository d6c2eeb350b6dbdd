import { Refused } from '#kube/fake-api.fake.ts';
import { CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS } from '#kube/types.ts';
import type { ClusterRoleBinding, Namespace, Pod, RoleBinding } from '#kube/types.ts';

import { FakeCache } from '../../cache.fake.ts';
import { ControllerWorld, RULES, pod } from '../controllers.fake.ts';
import { AccessController } from './controller.ts';

let world: ControllerWorld;

beforeEach(async () => {
  world = await ControllerWorld.make();
});

afterEach(() => world.end());

describe('the access controller', () => {
  let pods: FakeCache<Pod>;
  let roleBindings: FakeCache<RoleBinding>;
  let clusterRoleBindings: FakeCache<ClusterRoleBinding>;
  let namespaces: FakeCache<Namespace>;

  beforeEach(() => {
    [pods, roleBindings, clusterRoleBindings, namespaces] = [
      new FakeCache(),
      new FakeCache(),
      new FakeCache(),
      new FakeCache(),
    ];
  });

  const duty = (): AccessController =>
    new AccessController({
      api: world.fake.api,
      pods,
      namespaces,
      roleBindings,
      clusterRoleBindings,
      log: world.log,
      meshNamespace: 'mesh',
      owner: undefined,
      rules: RULES,
    });

  const local = (): RoleBinding | undefined =>
    world.fake.find(ROLE_BINDINGS, { name: 'mesh-sidecar', namespace: 'shop' });

  function syncBindings(): void {
    world.sync(ROLE_BINDINGS, roleBindings);
    world.sync(CLUSTER_ROLE_BINDINGS, clusterRoleBindings);
  }

  test('follows the accounts of pods, repairs what is edited or deleted, and writes nothing for nothing', async () => {
    pods.put(pod('web-0', 'web'));
    const controller = await world.run(duty());
    syncBindings();
    await controller.idle();
    pods.put(pod('db-0', 'db'));
    await controller.idle();
    expect(local()?.subjects?.map(({ name }) => name)).toEqual(['db', 'web']);
    syncBindings();
    await controller.idle();

    const writes = (): number => world.fake.requests.filter(({ method }) => method !== 'GET').length;
    const before = writes();
    pods.put(pod('db-1', 'db'));
    await controller.idle();
    expect(writes()).toBe(before);

    const found = local();
    if (found) world.fake.put(ROLE_BINDINGS, { ...found, subjects: [] });
    syncBindings();
    await controller.idle();
    expect(local()?.subjects).toHaveLength(2);
    syncBindings();
    world.fake.remove(ROLE_BINDINGS, { name: 'mesh-sidecar', namespace: 'shop' });
    syncBindings();
    await controller.idle();
    expect(local()?.subjects).toHaveLength(2);
  });

  test('a binding to another role is replaced, since a role cannot be changed', async () => {
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' };
    world.fake.put(ROLE_BINDINGS, {
      metadata: {
        name: 'mesh-sidecar',
        namespace: 'shop',
        labels: { 'app.kubernetes.io/managed-by': 'mesh-operator' },
      },
      roleRef,
    });
    syncBindings();
    pods.put(pod('web-0', 'web'));
    await world.run(duty());
    expect(local()?.roleRef.name).toBe('mesh-sidecar-policy');
  });

  test('a foreign binding of that name, without our label, is taken over', async () => {
    const roleRef = {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'mesh-sidecar-policy',
    };
    world.fake.put(ROLE_BINDINGS, {
      metadata: { name: 'mesh-sidecar', namespace: 'shop' },
      roleRef,
      subjects: [],
    });
    pods.put(pod('web-0', 'web'));
    await world.run(duty());
    expect(local()).toMatchObject({
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'mesh-operator' } },
      subjects: [{ name: 'web' }],
    });
  });

  test('in a namespace that goes away nothing is made, and nothing is tried again and again', async () => {
    const going = { metadata: { name: 'shop', deletionTimestamp: '2026-01-01T00:00:00Z' } };
    const inShop = (): number =>
      world.fake.requests.filter(
        ({ method, path }) => method === 'POST' && path.includes('/namespaces/shop/'),
      ).length;
    pods.put(pod('web-0', 'web'));
    const message =
      'rolebindings "mesh-sidecar" is forbidden: unable to create new content in namespace shop because it is being terminated';
    world.fake.intercept = ({ path, method }) =>
      method === 'POST' && path.includes('/namespaces/shop/')
        ? new Refused(403, 'Forbidden', message)
        : undefined;
    const controller = await world.run(duty());
    await world.clock.advance(120_000);
    await controller.idle();
    expect(inShop()).toBe(1);
    namespaces.put(going);
    pods.put(pod('web-1', 'web'));
    await controller.idle();
    expect(inShop()).toBe(1);
    expect(world.fake.objects(CLUSTER_ROLE_BINDINGS)).toHaveLength(1);
  });

  test('bindings left over from before are taken back at the start', async () => {
    const roleRef = {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'mesh-sidecar-catalog',
    };
    world.fake.put(CLUSTER_ROLE_BINDINGS, { metadata: { name: 'mesh-sidecar.gone' }, roleRef });
    world.fake.put(CLUSTER_ROLE_BINDINGS, { metadata: { name: 'unrelated' }, roleRef });
    syncBindings();
    await world.run(duty());
    expect(world.fake.objects(CLUSTER_ROLE_BINDINGS).map(({ metadata }) => metadata.name)).toEqual([
      'unrelated',
    ]);
  });
});
