import { eventually } from '#base/testing/eventually.ts';
import { OPERATOR_SERVICE } from '#core/constants.ts';
import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import { isNotFound } from '#kube/errors.ts';
import { silentLog } from '#base/log.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  INTENTIONS,
  MESH_SERVICES,
  MUTATING_WEBHOOKS,
  NAMESPACES,
  PODS,
  ROLE_BINDINGS,
} from '#kube/types.ts';

import { MESH_NAMESPACE } from '../names.ts';
import { noJournal } from '../../apiserver/store/journal.ts';
import { startDevMesh } from './dev-mesh.ts';
import type { DevMesh } from './dev-mesh.ts';

/** The operator against an API server that checks what it writes, and gives it the rights of its own account and no more. */
let mesh: DevMesh;
let api: KubeClient;

beforeAll(async () => {
  mesh = await startDevMesh({
    ...{ journal: noJournal, host: '127.0.0.1', port: 0, clock: systemClock, log: silentLog },
  });
  api = new KubeClient({ config: mesh.api.admin });
  await api.create(NAMESPACES, { metadata: { name: 'shop' } });
}, 60_000);
afterAll(async () => {
  api.close();
  await mesh.stop();
}, 60_000);

const IN_TIME = { withinMs: 60_000 };

/** What is there once it is there, and fits. */
function appeared<T extends object>(
  get: () => Promise<T>,
  fits: (object: T) => boolean = () => true,
): Promise<T> {
  return eventually(async () => {
    const found = await get().catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      return undefined;
    });
    return found !== undefined && fits(found) && found;
  }, IN_TIME);
}
const gone = (get: () => Promise<unknown>): Promise<true> =>
  eventually(
    () =>
      get().then(
        () => false,
        (error: unknown) => isNotFound(error),
      ),
    IN_TIME,
  );

test('a pod that asks for the mesh gets a MeshService, access for its account, and a status that follows it', async () => {
  const pod = { namespace: 'shop', name: 'db-0' };
  await api.create(PODS, {
    metadata: { ...pod, annotations: { 'mesh/inject': 'true', 'mesh/service': 'db' } },
    spec: { serviceAccountName: 'database', containers: [{ name: 'app', image: 'db:1' }] },
  });
  const own = () => api.get(ROLE_BINDINGS, { namespace: 'shop', name: 'mesh-sidecar' });
  // A pod that no node runs yet gets nothing.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await expect(api.get(MESH_SERVICES, { namespace: 'shop', name: 'db' })).rejects.toThrow('not found');
  await expect(own()).rejects.toThrow('not found');
  const status = { phase: 'Running', podIP: '10.1.1.1', conditions: [{ type: 'Ready', status: 'True' }] };
  await api.mergePatch(PODS, pod, { status }, { subresource: 'status' });
  const service = await appeared(
    () => api.get(MESH_SERVICES, { namespace: 'shop', name: 'db' }),
    (found) => found.status?.instances?.ready === 1,
  );
  expect(service.spec).toEqual({ serviceAccounts: ['database'] });
  expect(service.status).toMatchObject({
    spiffeId: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/db',
    instances: { ready: 1, total: 1 },
  });
  const policy = () => api.get(ROLE_BINDINGS, { namespace: MESH_NAMESPACE, name: 'mesh-sidecar' });
  const catalog = () => api.get(CLUSTER_ROLE_BINDINGS, { name: 'mesh-sidecar' });
  const account = { kind: 'ServiceAccount', name: 'database', namespace: 'shop' };
  expect((await appeared(own)).subjects).toEqual([account]);
  for (const shared of [policy, catalog])
    await appeared<{ readonly subjects?: readonly object[] }>(
      shared,
      ({ subjects }) => subjects?.length === 1,
    );
  expect((await policy()).subjects).toEqual([account]);
  expect((await catalog()).subjects).toEqual([account]);

  await api.delete(PODS, pod);
  await gone(own);
  for (const shared of [policy, catalog])
    await appeared<{ readonly subjects?: readonly object[] }>(
      shared,
      ({ subjects }) => subjects?.length === 0,
    );
});

describe('with the rights of the operator, whoever has them', () => {
  const roleRef = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name });
  const anybody = [{ kind: 'ServiceAccount', name: 'evil', namespace: 'shop' }];
  const refused = expect.objectContaining({ status: 403 }) as unknown;
  let operator: KubeClient;
  beforeAll(async () => {
    const { server, caPem, tlsServerName } = mesh.api.admin;
    const token = (): Promise<string> => Promise.resolve(mesh.api.tokenOf(MESH_NAMESPACE, OPERATOR_SERVICE));
    operator = new KubeClient({
      config: { server, caPem, ...(tlsServerName ? { tlsServerName } : {}), token },
    });
    const metadata = { name: 'others', namespace: 'shop' };
    await api.create(ROLE_BINDINGS, { metadata, roleRef: roleRef('view'), subjects: [] });
    await api.create(CLUSTER_ROLE_BINDINGS, {
      metadata: { name: 'others' },
      roleRef: roleRef('view'),
      subjects: [],
    });
  });
  afterAll(() => operator.close());

  test.each<[string, () => Promise<unknown>]>([
    [
      'no binding of others is deleted',
      () => operator.delete(ROLE_BINDINGS, { name: 'others', namespace: 'shop' }),
    ],
    ['none of the cluster is deleted', () => operator.delete(CLUSTER_ROLE_BINDINGS, { name: 'others' })],
    [
      'no subject is added to a binding of others',
      () => operator.mergePatch(ROLE_BINDINGS, { name: 'others', namespace: 'shop' }, { subjects: anybody }),
    ],
    [
      'no subject is added to one of the cluster',
      () => operator.mergePatch(CLUSTER_ROLE_BINDINGS, { name: 'others' }, { subjects: anybody }),
    ],
    [
      'no binding is made in the whole cluster, not even of the roles of sidecars',
      () =>
        operator.create(CLUSTER_ROLE_BINDINGS, {
          ...{ metadata: { name: 'evil' }, roleRef: roleRef('mesh-sidecar-catalog'), subjects: anybody },
        }),
    ],
    [
      'no other role is bound in a namespace',
      () =>
        operator.create(ROLE_BINDINGS, {
          metadata: { name: 'evil', namespace: 'shop' },
          ...{ roleRef: roleRef('cluster-admin'), subjects: anybody },
        }),
    ],
    ['the bindings of others are not even listed', () => operator.list(ROLE_BINDINGS, { namespace: 'shop' })],
    ['nor those of the cluster', () => operator.list(CLUSTER_ROLE_BINDINGS)],
  ])('%s', async (_what, attempt) => {
    await expect(attempt()).rejects.toEqual(refused);
  });
});

test('an intention gets its precedence and conditions', async () => {
  await api.create(INTENTIONS, {
    metadata: { name: 'web-db', namespace: 'shop' },
    spec: { source: { service: 'web' }, destination: { service: 'db' }, action: 'allow' },
  });
  const { status } = await appeared(
    () => api.get(INTENTIONS, { namespace: 'shop', name: 'web-db' }),
    (found) => found.status !== undefined,
  );
  expect(status).toMatchObject({
    precedence: 9,
    observedGeneration: 1,
    conditions: [
      { type: 'Accepted', status: 'True', message: 'allows shop/web to shop/db, precedence 9' },
      { type: 'Conflicted', status: 'False' },
      { type: 'Expired', status: 'False' },
    ],
  });
});

test('a webhook configuration that somebody edits or deletes is put right', async () => {
  const configuration = () => api.get(MUTATING_WEBHOOKS, { name: 'mesh' });
  const { webhooks = [] } = await appeared(configuration);
  const ignoring = webhooks.map((hook) => ({ ...hook, failurePolicy: 'Ignore' }));
  await api.mergePatch(MUTATING_WEBHOOKS, { name: 'mesh' }, { webhooks: ignoring });
  const areRight = ({ webhooks: now = [] }: Awaited<ReturnType<typeof configuration>>): boolean =>
    now.every(({ failurePolicy }) => failurePolicy === 'Fail');
  await appeared(configuration, areRight);
  await api.delete(MUTATING_WEBHOOKS, { name: 'mesh' });
  await appeared(configuration, areRight);
});
