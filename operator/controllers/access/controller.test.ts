import { Refused } from '#kube/testing/fake-api.fake.ts';
import { CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS } from '#kube/types.ts';
import type { ClusterRoleBinding, Namespace, Pod, RoleBinding } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import { ControllerWorld, RULES, pod } from '../controllers.fake.ts';
import { AccessController } from './controller.ts';

const HELM = { 'app.kubernetes.io/managed-by': 'Helm' };

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
    for (const [type, name, namespace] of [
      [CLUSTER_ROLE_BINDINGS, 'mesh-sidecar-catalog', undefined],
      [ROLE_BINDINGS, 'mesh-sidecar-policy', 'mesh'],
    ] as const) {
      // As the chart makes them.
      world.fake.put(type, {
        metadata: { name: 'mesh-sidecar', labels: HELM, ...(namespace ? { namespace } : {}) },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      });
    }
    syncBindings();
  });

  const duty = (): AccessController =>
    new AccessController({
      ...{ api: world.fake.api, clock: world.clock, metrics: world.metrics },
      pods,
      namespaces,
      roleBindings,
      clusterRoleBindings,
      log: world.log,
      meshNamespace: 'mesh',
      owner: undefined,
      rules: RULES,
    });

  const local = (namespace = 'shop'): RoleBinding | undefined =>
    world.fake.find(ROLE_BINDINGS, { name: 'mesh-sidecar', namespace });
  const catalog = (): ClusterRoleBinding | undefined =>
    world.fake.find(CLUSTER_ROLE_BINDINGS, { name: 'mesh-sidecar' });
  const names = (binding: RoleBinding | ClusterRoleBinding | undefined): readonly string[] =>
    (binding?.subjects ?? []).map(({ namespace, name }) => `${namespace ?? ''}/${name}`);

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

  test('a binding left over from before is taken back at the start; one that somebody else made stays', async () => {
    const roleRef = {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'mesh-sidecar-policy',
    };
    const labels = { 'app.kubernetes.io/managed-by': 'mesh-operator' };
    world.fake.put(ROLE_BINDINGS, { metadata: { name: 'mesh-sidecar', namespace: 'gone', labels }, roleRef });
    world.fake.put(ROLE_BINDINGS, { metadata: { name: 'mesh-sidecar', namespace: 'theirs' }, roleRef });
    syncBindings();
    await world.run(duty());
    expect([local('gone'), local('theirs')]).toEqual([undefined, expect.anything()]);
  });

  test('what all namespaces share has the accounts of all, and loses them with their last pod', async () => {
    pods.put(pod('web-0', 'web'));
    const controller = await world.run(duty());
    expect([names(catalog()), names(local('mesh'))]).toEqual([['shop/web'], ['shop/web']]);
    syncBindings();
    const db = pod('db-0', 'db');
    pods.put({ ...db, metadata: { ...db.metadata, namespace: 'bank' } });
    await world.clock.advance(1_000);
    await controller.idle();
    expect([names(catalog()), names(local('mesh'))]).toEqual([
      ['bank/db', 'shop/web'],
      ['bank/db', 'shop/web'],
    ]);
    expect(names(local('bank'))).toEqual(['bank/db']);
    syncBindings();
    pods.remove('bank/db-0');
    await world.clock.advance(1_000);
    await controller.idle();
    expect([names(catalog()), names(local('mesh')), local('bank')]).toEqual([
      ['shop/web'],
      ['shop/web'],
      undefined,
    ]);
    expect([catalog(), local('mesh')].map((binding) => binding?.metadata.labels)).toEqual([HELM, HELM]);
  });

  test('what all namespaces share is written at most once a second, however many pods come and go', async () => {
    const controller = await world.run(duty());
    const written = (): number =>
      world.fake.requests.filter(
        ({ method, path }) => method === 'PATCH' && path.includes('clusterrolebindings'),
      ).length;
    for (let index = 0; index < 20; index += 1) {
      pods.put(pod(`web-${index}`, `web-${index}`));
      await controller.idle();
      syncBindings();
      await controller.idle();
    }
    expect(written()).toBe(1);
    await world.clock.advance(1_000);
    await controller.idle();
    expect(written()).toBe(2);
    expect(names(catalog())).toHaveLength(20);
  });

  test('without the binding that the chart makes it says so, and goes on when it is there', async () => {
    const there = catalog()!;
    world.fake.remove(CLUSTER_ROLE_BINDINGS, { name: 'mesh-sidecar' });
    syncBindings();
    pods.put(pod('web-0', 'web'));
    const controller = await world.run(duty());
    expect(String(world.log.lines.find(({ level }) => level === 'warn')?.fields['err'])).toContain(
      'is missing, without which sidecars find no service',
    );
    expect(names(local('mesh'))).toEqual(['shop/web']);
    expect(names(local())).toEqual(['shop/web']);
    world.fake.put(CLUSTER_ROLE_BINDINGS, there);
    syncBindings();
    await world.clock.advance(60_000);
    await controller.idle();
    expect(names(catalog())).toEqual(['shop/web']);
  });

  test('accounts that have no room are counted and told of once', async () => {
    for (let index = 0; index < 1_003; index += 1) pods.put(pod(`web-${index}`, `web-${index}`));
    const controller = await world.run(duty());
    const told = () => world.log.lines.filter(({ level }) => level === 'error').length;
    const before = told();
    expect(before).toBe(2);
    pods.put(pod('web-0', 'web-0'));
    await controller.idle();
    expect(told()).toBe(before);
    const { values } = await world.metrics.accessLeftOut.get();
    expect(values.map(({ value, labels }) => [labels.scope, value]).sort()).toEqual([
      ['cluster', 3],
      ['namespace', 3],
    ]);
  });
});
