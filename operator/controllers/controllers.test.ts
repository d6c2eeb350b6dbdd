import type { MeshConfig } from '#core/model/mesh-config.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { KubeObject } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import { trustDomain } from '#core/spiffe-id.ts';
import type { ResourceType } from '#kube/api.ts';
import { FakeClock } from '#kube/clock.fake.ts';
import { FakeApiServer, Refused } from '#kube/fake-api.fake.ts';
import { FakeLog } from '#kube/log.fake.ts';
import { CLUSTER_ROLE_BINDINGS, MESH_CONFIGS, MESH_SERVICES, ROLE_BINDINGS } from '#kube/types.ts';
import type { ClusterRoleBinding, Namespace, Pod, RoleBinding, Service } from '#kube/types.ts';

import { FakeCache } from '../cache.fake.ts';
import { Controller } from '../controller.ts';
import type { ControllerDuty } from '../controller.ts';
import { FakeEvents } from '../events.fake.ts';
import { createMetrics } from '../metrics.ts';
import { StatusWriter } from '../status-writer.ts';
import { AccessController } from './access/controller.ts';
import { JobFinisherController } from './job-finisher/controller.ts';
import { MeshConfigController } from './mesh-config/controller.ts';
import { MeshServiceController } from './mesh-service/controller.ts';

const SCOPE = { trustDomain: trustDomain('cluster.local'), datacenter: 'dc1' };

let fake: FakeApiServer;
let clock: FakeClock;
let log: FakeLog;
let events: FakeEvents;
const { metrics } = createMetrics();
const running: Controller[] = [];

beforeEach(async () => {
  fake = await FakeApiServer.started();
  clock = new FakeClock();
  log = new FakeLog();
  events = new FakeEvents();
});

afterEach(async () => {
  for (const controller of running.splice(0)) await controller.stop();
  await fake.close();
});

async function run(duty: ControllerDuty): Promise<Controller> {
  const controller = new Controller(duty, { clock, log, metrics });
  running.push(controller);
  controller.start();
  await controller.idle();
  return controller;
}

/** Brings a cache up to what the server has, as a reflector would. */
function sync<T extends KubeObject>(type: ResourceType<T>, cache: FakeCache<T>): void {
  const there = new Map(fake.objects(type).map((object) => [objectKey(object), object]));
  for (const object of [...cache.all()]) if (!there.has(objectKey(object))) cache.remove(objectKey(object));
  for (const [key, object] of there) {
    if (cache.get(key)?.metadata.resourceVersion !== object.metadata.resourceVersion) cache.put(object);
  }
}

function pod(
  name: string,
  service: string,
  more: { ready?: boolean; account?: string; labels?: object; style?: string } = {},
): Pod {
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      labels: {
        app: service,
        'mesh.dev/service': service,
        'mesh.dev/injected': more.style ?? 'native',
        ...more.labels,
      },
    },
    spec: {
      serviceAccountName: more.account ?? service,
      restartPolicy: 'Never',
      containers: [{ name: 'mesh-sidecar' }, { name: 'app' }],
    },
    status: {
      phase: 'Running',
      podIP: '10.1.1.1',
      conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }],
      containerStatuses: [{ name: 'mesh-sidecar' }, { name: 'app', state: { terminated: { exitCode: 0 } } }],
    },
  } as unknown as Pod;
}

describe('the mesh service controller', () => {
  let meshServices: FakeCache<MeshService>;
  let pods: FakeCache<Pod>;
  let services: FakeCache<Service>;
  const writes = (): number => fake.requests.filter(({ method }) => method === 'PATCH').length;
  const find = (name: string): MeshService | undefined =>
    fake.find(MESH_SERVICES, { name, namespace: 'shop' });

  beforeEach(() => {
    [meshServices, pods, services] = [new FakeCache(), new FakeCache(), new FakeCache()];
  });

  const duty = (): MeshServiceController =>
    new MeshServiceController({
      ...{
        api: fake.api,
        meshServices,
        pods,
        services,
        events,
        clock,
        log,
        scope: SCOPE,
        meshNamespace: 'mesh',
      },
      status: new StatusWriter(MESH_SERVICES, { api: fake.api, clock, metrics }),
    });

  test('counts of instances wait ten seconds; what is routed by does not', async () => {
    pods.put(pod('db-0', 'db'));
    const controller = await run(duty());
    sync(MESH_SERVICES, meshServices);
    await controller.idle();
    expect([writes(), find('db')?.status?.instances]).toEqual([1, { ready: 1, total: 1 }]);
    sync(MESH_SERVICES, meshServices);

    pods.put(pod('db-1', 'db'));
    await controller.idle();
    expect(writes()).toBe(1);
    services.put({
      metadata: { name: 'db', namespace: 'shop' },
      spec: { selector: { app: 'db' }, clusterIP: '10.0.0.1', ports: [] },
    });
    await controller.idle();
    expect([writes(), find('db')?.status?.virtualIPs]).toEqual([2, ['10.0.0.1']]);
    sync(MESH_SERVICES, meshServices);

    pods.put(pod('db-2', 'db', { ready: false }));
    await controller.idle();
    expect(writes()).toBe(2);
    await clock.advance(10_000);
    await controller.idle();
    expect([writes(), find('db')?.status?.instances]).toEqual([3, { ready: 2, total: 3 }]);
  });

  test('a neighbour that joins a Kubernetes Service takes it from both, and leaving gives it back', async () => {
    services.put({
      metadata: { name: 'data', namespace: 'shop' },
      spec: { selector: { tier: 'data' }, clusterIP: '10.0.0.1', ports: [] },
    });
    pods.put(pod('db-0', 'db', { labels: { tier: 'data' } }));
    const controller = await run(duty());
    sync(MESH_SERVICES, meshServices);
    await controller.idle();
    sync(MESH_SERVICES, meshServices);
    expect(find('db')?.status?.services?.map(({ name }) => name)).toEqual(['data']);
    pods.put(pod('web-0', 'web', { labels: { tier: 'data' } }));
    await controller.idle();
    expect(find('db')?.status?.services).toEqual([]);
    sync(MESH_SERVICES, meshServices);
    pods.remove('shop/web-0');
    await controller.idle();
    expect(find('db')?.status?.services?.map(({ name }) => name)).toEqual(['data']);
  });

  test('tells when pods call themselves a service they may not be', async () => {
    meshServices.put(
      fake.put(MESH_SERVICES, {
        metadata: { name: 'db', namespace: 'shop', generation: 1 },
        spec: { serviceAccounts: ['db'] },
      }),
    );
    pods.put(pod('evil', 'db', { account: 'web' }));
    await run(duty());
    expect(events.told).toMatchObject([{ type: 'Warning', reason: 'ServiceAccountNotAllowed' }]);
    expect(find('db')?.status?.conditions?.find(({ type }) => type === 'IdentityAllowed')?.status).toBe(
      'False',
    );
  });

  test('a MeshService that somebody else made first is left as it is', async () => {
    fake.put(MESH_SERVICES, {
      metadata: { name: 'db', namespace: 'shop' },
      spec: { serviceAccounts: ['theirs'] },
    });
    pods.put(pod('db-0', 'db'));
    await run(duty());
    expect(find('db')?.spec?.serviceAccounts).toEqual(['theirs']);
  });

  test('never makes the operator’s own service for a pod that claims it', async () => {
    const claim = pod('x', 'mesh-operator');
    pods.put({ ...claim, metadata: { ...claim.metadata, namespace: 'mesh' } });
    await run(duty());
    expect(fake.objects(MESH_SERVICES)).toEqual([]);
  });
});

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
      api: fake.api,
      pods,
      namespaces,
      roleBindings,
      clusterRoleBindings,
      log,
      meshNamespace: 'mesh',
      owner: undefined,
    });

  const local = (): RoleBinding | undefined =>
    fake.find(ROLE_BINDINGS, { name: 'mesh-sidecar', namespace: 'shop' });

  function syncBindings(): void {
    sync(ROLE_BINDINGS, roleBindings);
    sync(CLUSTER_ROLE_BINDINGS, clusterRoleBindings);
  }

  test('follows the accounts of pods, repairs what is edited or deleted, and writes nothing for nothing', async () => {
    pods.put(pod('web-0', 'web'));
    const controller = await run(duty());
    syncBindings();
    await controller.idle();
    pods.put(pod('db-0', 'db'));
    await controller.idle();
    expect(local()?.subjects?.map(({ name }) => name)).toEqual(['db', 'web']);
    syncBindings();
    await controller.idle();

    const writes = (): number => fake.requests.filter(({ method }) => method !== 'GET').length;
    const before = writes();
    pods.put(pod('db-1', 'db'));
    await controller.idle();
    expect(writes()).toBe(before);

    const found = local();
    if (found) fake.put(ROLE_BINDINGS, { ...found, subjects: [] });
    syncBindings();
    await controller.idle();
    expect(local()?.subjects).toHaveLength(2);
    syncBindings();
    fake.remove(ROLE_BINDINGS, { name: 'mesh-sidecar', namespace: 'shop' });
    syncBindings();
    await controller.idle();
    expect(local()?.subjects).toHaveLength(2);
  });

  test('a binding to another role is replaced, since a role cannot be changed', async () => {
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' };
    fake.put(ROLE_BINDINGS, {
      metadata: {
        name: 'mesh-sidecar',
        namespace: 'shop',
        labels: { 'app.kubernetes.io/managed-by': 'mesh-operator' },
      },
      roleRef,
    });
    syncBindings();
    pods.put(pod('web-0', 'web'));
    await run(duty());
    expect(local()?.roleRef.name).toBe('mesh-sidecar-policy');
  });

  test('a foreign binding of that name, without our label, is taken over', async () => {
    const roleRef = {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'mesh-sidecar-policy',
    };
    fake.put(ROLE_BINDINGS, { metadata: { name: 'mesh-sidecar', namespace: 'shop' }, roleRef, subjects: [] });
    pods.put(pod('web-0', 'web'));
    await run(duty());
    expect(local()).toMatchObject({
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'mesh-operator' } },
      subjects: [{ name: 'web' }],
    });
  });

  test('in a namespace that goes away nothing is made, and nothing is tried again and again', async () => {
    const going = { metadata: { name: 'shop', deletionTimestamp: '2026-01-01T00:00:00Z' } };
    const inShop = (): number =>
      fake.requests.filter(({ method, path }) => method === 'POST' && path.includes('/namespaces/shop/'))
        .length;
    pods.put(pod('web-0', 'web'));
    const message =
      'rolebindings "mesh-sidecar" is forbidden: unable to create new content in namespace shop because it is being terminated';
    fake.intercept = ({ path, method }) =>
      method === 'POST' && path.includes('/namespaces/shop/')
        ? new Refused(403, 'Forbidden', message)
        : undefined;
    const controller = await run(duty());
    await clock.advance(120_000);
    await controller.idle();
    expect(inShop()).toBe(1);
    namespaces.put(going);
    pods.put(pod('web-1', 'web'));
    await controller.idle();
    expect(inShop()).toBe(1);
    expect(fake.objects(CLUSTER_ROLE_BINDINGS)).toHaveLength(1);
  });

  test('bindings left over from before are taken back at the start', async () => {
    const roleRef = {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'ClusterRole',
      name: 'mesh-sidecar-catalog',
    };
    fake.put(CLUSTER_ROLE_BINDINGS, { metadata: { name: 'mesh-sidecar.gone' }, roleRef });
    fake.put(CLUSTER_ROLE_BINDINGS, { metadata: { name: 'unrelated' }, roleRef });
    syncBindings();
    await run(duty());
    expect(fake.objects(CLUSTER_ROLE_BINDINGS).map(({ metadata }) => metadata.name)).toEqual(['unrelated']);
  });
});

describe('the mesh config controller', () => {
  let meshConfigs: FakeCache<MeshConfig>;
  let authorityFault: string | undefined;
  const find = (): MeshConfig | undefined => fake.find(MESH_CONFIGS, { name: 'mesh' });

  beforeEach(() => {
    meshConfigs = new FakeCache();
    authorityFault = undefined;
  });

  const duty = (given: MeshConfig['spec'] = { leafTTL: '1h' }): MeshConfigController =>
    new MeshConfigController({
      ...{
        api: fake.api,
        meshConfigs,
        events,
        clock,
        log,
        scope: SCOPE,
        owner: undefined,
        given: given ?? {},
      },
      status: new StatusWriter(MESH_CONFIGS, { api: fake.api, clock, metrics }),
      authority: {
        roots: () => [{ id: 'r', pem: 'PEM', active: true, notAfter: '2036-01-01T00:00:00Z' }],
        fault: () => Promise.resolve(authorityFault),
      },
    });

  const condition = (type: string): string | undefined =>
    find()?.status?.conditions?.find((one) => one.type === type)?.status;

  test('what users change stays until the chart’s values change', async () => {
    const controller = await run(duty());
    await fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { spec: { leafTTL: '2h' } });
    sync(MESH_CONFIGS, meshConfigs);
    await controller.idle();
    await run(duty());
    expect(find()?.spec?.leafTTL).toBe('2h');
    await run(duty({ leafTTL: '3h' }));
    expect(find()?.spec?.leafTTL).toBe('3h');
  });

  test('another trust domain in the object is put back, and told', async () => {
    const controller = await run(duty());
    await fake.api.mergePatch(
      MESH_CONFIGS,
      { name: 'mesh' },
      { spec: { trustDomain: 'other.example', leafTTL: '2h' } },
    );
    sync(MESH_CONFIGS, meshConfigs);
    await controller.idle();
    expect(find()?.spec).toEqual({ trustDomain: 'cluster.local', datacenter: 'dc1', leafTTL: '2h' });
    expect(events.told).toMatchObject([{ type: 'Warning', reason: 'ChangeRefused' }]);
    expect(
      log.lines.some(({ message }) => message === 'a change of the MeshConfig is refused and was taken back'),
    ).toBe(true);
  });

  test('another trust domain in the chart’s values is refused for as long as it stands there', async () => {
    await run(duty({ trustDomain: 'other.example' }));
    expect(find()?.spec?.trustDomain).toBe('cluster.local');
    expect(condition('Accepted')).toBe('False');
    expect(log.lines.filter(({ message }) => message === 'a value of the chart is refused')).toHaveLength(1);
  });

  test('made again when it is deleted', async () => {
    const controller = await run(duty());
    sync(MESH_CONFIGS, meshConfigs);
    fake.remove(MESH_CONFIGS, { name: 'mesh' });
    sync(MESH_CONFIGS, meshConfigs);
    await controller.idle();
    expect(find()?.status?.roots).toHaveLength(1);
  });

  test('says when certificates cannot be signed any more, though nothing else changed', async () => {
    const controller = await run(duty());
    sync(MESH_CONFIGS, meshConfigs);
    await controller.idle();
    authorityFault = 'Secret mesh/mesh-ca is gone';
    await clock.advance(60_000);
    await controller.idle();
    expect(condition('AuthorityReady')).toBe('False');
  });
});

describe('the job finisher', () => {
  test('tells the sidecar as the service it must be, again when it failed, and not for ever at once', async () => {
    const pods = new FakeCache<Pod>([pod('job-1', 'report', { style: 'ordinary' })]);
    const told: object[] = [];
    let fails = 1;
    const tell = (target: object): Promise<void> => {
      told.push(target);
      return fails-- > 0 ? Promise.reject(new Error('no connection')) : Promise.resolve();
    };
    const controller = await run(new JobFinisherController({ pods, tell, scope: SCOPE, log, metrics }));
    expect(told).toEqual([{ ip: '10.1.1.1', spiffeId: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/report' }]);
    await clock.advance(1_000);
    await controller.idle();
    expect(told).toHaveLength(2);
    await clock.advance(5_000);
    await controller.idle();
    expect(told).toHaveLength(2);
    pods.remove('shop/job-1');
    await clock.advance(60_000);
    await controller.idle();
    expect(told).toHaveLength(2);
  });
});
