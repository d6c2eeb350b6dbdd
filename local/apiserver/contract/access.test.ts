import { Target, until } from './target.fake.ts';

/** Who may do what: tokens, reviews, roles. Held against the embedded API and a real one. */
const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
let target: Target;
let podUid: string;
let accountUid: string;

beforeAll(async () => {
  target = await Target.start();
  accountUid = (await target.http.post(target.core('serviceaccounts'), { metadata: { name: 'web' } })).body
    .metadata.uid as string;
  // A scheduler nobody runs: the pod stays a registration on a real cluster too.
  const spec = {
    serviceAccountName: 'web',
    schedulerName: 'nobody',
    containers: [{ name: 'a', image: 'none' }],
  };
  podUid = (await target.http.post(target.core('pods'), { metadata: { name: 'web-1' }, spec })).body.metadata
    .uid as string;
}, 60_000);
afterAll(() => target.close(), 120_000);

const token = async (spec: object = {}): Promise<string> => {
  const { status, body } = await target.http.post(target.core('serviceaccounts', 'web/token'), {
    spec: { audiences: ['mesh'], ...spec },
  });
  expect(status).toBe(201);
  return body.status.token as string;
};
const bound = () => ({ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'web-1', uid: podUid } });
const review = async (given: string, audiences: readonly string[] = ['mesh']) =>
  (await target.http.post(REVIEWS, { spec: { token: given, audiences } })).body.status;

test('nobody gets in without a token, or with a wrong one', async () => {
  for (const wrong of ['nonsense', 'a.b.c', '']) {
    const { status, body } = await target.http.get(target.intentions(), { token: wrong });
    // A cluster that lets strangers ask answers 403 to those without a token.
    expect(wrong === '' ? [401, 403] : [401]).toContain(status);
    expect(body.kind).toBe('Status');
  }
});

test('a token is asked for in the version of its own group, not in that of the account', async () => {
  const ask = (apiVersion: string) =>
    target.http.post(target.core('serviceaccounts', 'web/token'), {
      ...{ apiVersion, kind: 'TokenRequest', spec: { expirationSeconds: 3600 } },
    });
  expect((await ask('v1')).status).toBe(400);
  expect((await ask('authentication.k8s.io/v1')).status).toBe(201);
});

test('a token says whose it is', async () => {
  const status = await review(await token());
  expect(status).toMatchObject({
    authenticated: true,
    audiences: ['mesh'],
    user: {
      username: `system:serviceaccount:${target.namespace}:web`,
      uid: accountUid,
      groups: [
        'system:serviceaccounts',
        `system:serviceaccounts:${target.namespace}`,
        'system:authenticated',
      ],
    },
  });
});

test('a token of a pod names the pod', async () => {
  const { user } = await review(await token(bound()));
  expect(user.extra).toMatchObject({
    'authentication.kubernetes.io/pod-name': ['web-1'],
    'authentication.kubernetes.io/pod-uid': [podUid],
  });
});

test('a token for others, or none at all, is not good', async () => {
  expect((await review(await token(), ['others'])).authenticated ?? false).toBe(false);
  expect((await review('nonsense')).authenticated ?? false).toBe(false);
});

test('a token that was changed is not good', async () => {
  const [header, payload, mac] = (await token()).split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  const other = Buffer.from(
    JSON.stringify({ ...claims, sub: 'system:serviceaccount:kube-system:admin' }),
  ).toString('base64url');
  expect((await review(`${header}.${other}.${mac}`)).authenticated ?? false).toBe(false);
});

test.each([
  ['a pod that is not there', () => ({ ...bound().boundObjectRef, name: 'nobody' })],
  [
    'another pod of the same name',
    () => ({ ...bound().boundObjectRef, uid: '11111111-2222-3333-4444-555555555555' }),
  ],
])('no token is bound to %s', async (_what, reference) => {
  const { status } = await target.http.post(target.core('serviceaccounts', 'web/token'), {
    spec: { audiences: ['mesh'], boundObjectRef: reference() },
  });
  expect([404, 409]).toContain(status);
});

test('a token ends with its pod', async () => {
  const spec = {
    serviceAccountName: 'web',
    schedulerName: 'nobody',
    containers: [{ name: 'a', image: 'none' }],
  };
  const { body } = await target.http.post(target.core('pods'), { metadata: { name: 'short' }, spec });
  const its = await token({
    boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'short', uid: body.metadata.uid },
  });
  expect((await review(its)).authenticated).toBe(true);
  await target.http.delete(target.core('pods', 'short'), { gracePeriodSeconds: 0 });
  // A real server remembers for some seconds what it found out about a token.
  await until(async () => !((await review(its)).authenticated ?? false));
}, 90_000);

test('an account may do what its roles say, and nothing else', async () => {
  const mine = await token({ audiences: [] });
  const list = () => target.http.get(target.intentions(), { token: mine });
  const before = await list();
  expect(before.status).toBe(403);
  expect(before.body.message).toBe(
    `intentions.mesh.dev is forbidden: User "system:serviceaccount:${target.namespace}:web" cannot list resource "intentions" in API group "mesh.dev" in the namespace "${target.namespace}"`,
  );
  const home = `${RBAC}/namespaces/${target.namespace}`;
  await target.http.post(`${home}/roles`, {
    metadata: { name: 'reader' },
    rules: [{ apiGroups: ['mesh.dev'], resources: ['intentions'], verbs: ['get', 'list'] }],
  });
  await target.http.post(`${home}/rolebindings`, {
    metadata: { name: 'reader' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
    subjects: [{ kind: 'ServiceAccount', name: 'web', namespace: target.namespace }],
  });
  await until(async () => (await list()).status === 200);
  expect((await target.http.post(target.intentions(), target.intention('a'), { token: mine })).status).toBe(
    403,
  );
  expect((await target.http.get('/apis/mesh.dev/v1alpha1/intentions', { token: mine })).status).toBe(403);
  const asked = await target.http.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: {
      user: `system:serviceaccount:${target.namespace}:web`,
      resourceAttributes: {
        namespace: target.namespace,
        verb: 'list',
        group: 'mesh.dev',
        resource: 'intentions',
      },
    },
  });
  expect(asked.body.status.allowed).toBe(true);
});

test('nobody gives away more than they have', async () => {
  const mine = await token({ audiences: [] });
  const home = `${RBAC}/namespaces/${target.namespace}`;
  await target.http.post(`${home}/roles`, {
    metadata: { name: 'binder' },
    rules: [
      { apiGroups: ['rbac.authorization.k8s.io'], resources: ['rolebindings', 'roles'], verbs: ['create'] },
    ],
  });
  await target.http.post(`${home}/rolebindings`, {
    metadata: { name: 'binder' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'binder' },
    subjects: [{ kind: 'ServiceAccount', name: 'web', namespace: target.namespace }],
  });
  const secrets = {
    metadata: { name: 'all' },
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['*'] }],
  };
  await until(async () => {
    const { status, body } = await target.http.post(`${home}/roles?dryRun=All`, secrets, { token: mine });
    expect(status).toBe(403);
    return !String(body.message).includes('cannot create resource');
  });
  const all = {
    metadata: { name: 'all' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name: 'web', namespace: target.namespace }],
  };
  expect((await target.http.post(`${home}/rolebindings`, all, { token: mine })).status).toBe(403);
});
