import { eventually } from '#base/testing/eventually.ts';
import type { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import {
  CLUSTER_ROLES,
  EVENTS,
  LEASES,
  MESH_CONFIGS,
  MESH_SERVICES,
  MUTATING_WEBHOOKS,
  PODS,
  ROLE_BINDINGS,
  SECRETS,
  VALIDATING_WEBHOOKS,
} from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';

import { memberSpec, registrationSpec } from '../resources/member.fake.ts';
import { POD, WholeOperator, post } from './whole-operator.fake.ts';

describe('the operator, whole, against an API server', () => {
  let whole: WholeOperator;
  let fake: FakeApiServer;
  let start: WholeOperator['start'];

  beforeEach(async () => {
    whole = await WholeOperator.prepare();
    ({ fake, start } = whole);
  });

  afterEach(() => whole.close());

  test('machines outside have a port of their own where they may join; otherwise nobody looks for any', async () => {
    const closed = await start();
    expect(closed.outsidePort).toBeUndefined();
    const outside: Pod = {
      metadata: {
        ...{ name: 'db-1', namespace: 'shop', uid: 'u2' },
        labels: { 'mesh.dev/injected': 'native', 'mesh.dev/service': 'db', 'mesh.dev/run': 'true' },
      },
      spec: registrationSpec('db'),
      status: { phase: 'Running', podIP: '203.0.113.7' },
    };
    fake.put(PODS, outside);
    fake.put(PODS, POD);
    const leaseAsked = () => fake.requests.some(({ path }) => path.endsWith('/leases/db-1'));
    const bound = () =>
      fake
        .find(ROLE_BINDINGS, { name: 'mesh-sidecar', namespace: 'shop' })
        ?.subjects?.map(({ name }) => name);
    await eventually(() => fake.find(MESH_SERVICES, { name: 'db', namespace: 'shop' }));
    await eventually(bound);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(leaseAsked()).toBe(false);
    expect(bound()).toEqual(['database']);
    await closed.stop();
    const open = await start({ MESH_OUTSIDE_PORT: '0' });
    expect(open.outsidePort).toBeGreaterThan(0);
    await eventually(leaseAsked);
    await eventually(() => bound()?.includes('db'));
  }, 60_000);

  test('a pod with labels by hand that admission never saw gives its account no right, and owns no service', async () => {
    await start();
    fake.put(PODS, {
      ...POD,
      metadata: { ...POD.metadata, name: 'by-hand', annotations: { 'mesh/inject': 'false' } },
      spec: { serviceAccountName: 'thief', containers: [{ name: 'app' }] },
    });
    const labels = { ...POD.metadata.labels, 'mesh.dev/service': 'web' };
    const web = { ...POD.metadata, name: 'web-0', uid: 'u2', labels };
    fake.put(PODS, { ...POD, metadata: web, spec: memberSpec('web') });
    await eventually(() => fake.find(MESH_SERVICES, { name: 'web', namespace: 'shop' }));
    const bound = () => fake.find(ROLE_BINDINGS, { name: 'mesh-sidecar', namespace: 'shop' })?.subjects;
    await eventually(bound);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(bound()?.map(({ name }) => name)).toEqual(['web']);
    expect(fake.find(MESH_SERVICES, { name: 'db', namespace: 'shop' })).toBeUndefined();
  });

  test('a fresh install: root, MeshConfig with roots and written-out scope, webhooks, lease', async () => {
    fake.put(CLUSTER_ROLES, { metadata: { name: 'mesh-operator', uid: 'role-uid' } });
    const operator = await start({
      MESH_OWNER_CLUSTERROLE: 'mesh-operator',
      MESH_CONFIG: '{"leafTTL":"1h"}',
    });
    const config = await eventually(() => {
      const found = fake.find(MESH_CONFIGS, { name: 'mesh' });
      return found?.status?.roots ? found : undefined;
    });
    expect(config.spec).toEqual({ trustDomain: 'cluster.local', datacenter: 'dc1', leafTTL: '1h' });
    expect(config.metadata.ownerReferences).toEqual([
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        name: 'mesh-operator',
        uid: 'role-uid',
      },
    ]);
    expect(config.status?.roots?.map(({ active }) => active)).toEqual([true]);
    expect(config.status?.conditions).toMatchObject([
      { type: 'Accepted', status: 'True' },
      { type: 'AuthorityReady', status: 'True' },
      { type: 'NextAuthorityReady', status: 'True' },
      { type: 'CertificatesFresh', status: 'True' },
    ]);

    const root = fake.find(SECRETS, { name: 'mesh-ca', namespace: 'mesh' })?.data?.['root.crt'];
    const mutating = await eventually(() => fake.find(MUTATING_WEBHOOKS, { name: 'mesh' }));
    expect(mutating.webhooks?.map(({ name, failurePolicy }) => [name, failurePolicy])).toEqual([
      ['pods.inject.mesh.dev', 'Fail'],
      ['namespaces.inject.mesh.dev', 'Fail'],
    ]);
    expect(
      Buffer.from(mutating.webhooks?.[0]?.clientConfig.caBundle ?? '', 'base64')
        .toString()
        .trim(),
    ).toBe(
      Buffer.from(root ?? '', 'base64')
        .toString()
        .trim(),
    );
    const validating = await eventually(() => fake.find(VALIDATING_WEBHOOKS, { name: 'mesh' }));
    expect(validating.metadata.ownerReferences?.[0]?.uid).toBe('role-uid');
    expect(fake.find(LEASES, { name: 'mesh-operator', namespace: 'mesh' })?.spec?.holderIdentity).toMatch(
      /^mesh-operator-0_/,
    );
    expect(operator.isLeader()).toBe(true);
  });

  test('two replicas share one root; one leads, both serve; the other takes over at once', async () => {
    const [one, two] = await Promise.all([start(), start({ POD_NAME: 'mesh-operator-b' })]);
    expect(one.rootsPem()).toBe(two.rootsPem());
    await eventually(() => one.isLeader() !== two.isLeader());
    for (const operator of [one, two])
      expect(await post(operator, '/v1/sign')).toMatchObject({ status: 401 });
    const [leader, other] = one.isLeader() ? [one, two] : [two, one];
    await leader.stop();
    await eventually(() => other.isLeader());
  });

  test('a stored MeshConfig holds before the values of the chart', async () => {
    fake.put(MESH_CONFIGS, {
      metadata: { name: 'mesh', generation: 1 },
      spec: { trustDomain: 'corp.example', datacenter: 'eu' },
    });
    await start({ MESH_CONFIG: '{"trustDomain":"other.example"}' });
    const found = await eventually(() => {
      const config = fake.find(MESH_CONFIGS, { name: 'mesh' });
      return config?.status?.conditions ? config : undefined;
    });
    expect(found.spec).toMatchObject({ trustDomain: 'corp.example', datacenter: 'eu' });
    expect(found.status?.conditions?.[0]).toMatchObject({ type: 'Accepted', status: 'False' });
  });

  test('when another takes the lease, the process is told to end', async () => {
    let lost = false;
    const operator = await start({}, () => (lost = true));
    await eventually(() => operator.isLeader());
    const lease = fake.find(LEASES, { name: 'mesh-operator', namespace: 'mesh' });
    fake.put(LEASES, {
      ...lease,
      metadata: { name: 'mesh-operator', namespace: 'mesh' },
      spec: { holderIdentity: 'thief', leaseDurationSeconds: 15, leaseTransitions: 7 },
    });
    await eventually(() => lost);
  });

  test('an old server: webhooks that stop nobody, and pods that missed injection are told', async () => {
    fake = await whole.replaceApiServer('1.20');
    const { httpPort } = await start();
    const mutating = await eventually(() => fake.find(MUTATING_WEBHOOKS, { name: 'mesh' }));
    expect(mutating.webhooks?.map(({ failurePolicy }) => failurePolicy)).toEqual(['Ignore', 'Ignore']);
    fake.put(PODS, {
      ...POD,
      metadata: { name: 'late', namespace: 'shop', annotations: { 'mesh/inject': 'true' } },
      spec: { containers: [{ name: 'app' }] },
    });
    const event = await eventually(() => fake.objects(EVENTS).find(({ reason }) => reason === 'NotInjected'));
    expect(event.involvedObject.name).toBe('late');
    expect(await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text()).toContain(
      'mesh_operator_missed_injections 1',
    );
  });
});
