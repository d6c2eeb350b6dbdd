import { Target, until } from './target.fake.ts';

/** One object: made, read, changed, deleted. Held against the embedded API and a real one. */
let target: Target;
beforeAll(async () => void (target = await Target.start()), 60_000);
afterAll(() => target.close(), 120_000);

const created = async (name: string, metadata: object = {}) => {
  const { status, body } = await target.http.post(target.intentions(), target.intention(name, {}, metadata));
  expect(status).toBe(201);
  return body;
};

test('a new object gets a uid, a time, a version and generation 1', async () => {
  const { metadata, spec } = await created('new');
  expect(metadata).toMatchObject({ name: 'new', namespace: target.namespace, generation: 1 });
  expect(metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
  expect(metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expect(metadata.resourceVersion).toMatch(/^\d+$/);
  expect((await target.http.get(target.intentions('new'))).body.spec).toEqual(spec);
});

test('a name is made from generateName', async () => {
  const wanted = target.intention('any');
  const { body } = await target.http.post(target.intentions(), {
    ...wanted,
    metadata: { generateName: 'made-' },
  });
  expect(body.metadata.name).toMatch(/^made-[a-z0-9]{5}$/);
});

test('a second object of the same name is refused', async () => {
  await created('twice');
  const { status, body } = await target.http.post(target.intentions(), target.intention('twice'));
  expect({ status, body }).toMatchObject({
    status: 409,
    body: {
      kind: 'Status',
      status: 'Failure',
      reason: 'AlreadyExists',
      code: 409,
      message: 'intentions.mesh.dev "twice" already exists',
      details: { name: 'twice', group: 'mesh.dev', kind: 'intentions' },
    },
  });
});

test('what is not there is not found', async () => {
  const answer = await target.http.get(target.intentions('nobody'));
  expect(answer).toMatchObject({
    status: 404,
    body: { reason: 'NotFound', message: 'intentions.mesh.dev "nobody" not found' },
  });
  expect(await target.http.get('/apis/mesh.dev/v1alpha1/nothings')).toMatchObject({ status: 404 });
});

test('an object in a namespace that is not there is refused', async () => {
  const { status, body } = await target.http.post('/apis/mesh.dev/v1alpha1/namespaces/no-such/intentions', {
    ...target.intention('a'),
    metadata: { name: 'a' },
  });
  expect({ status, message: body.message }).toEqual({
    status: 404,
    message: 'namespaces "no-such" not found',
  });
});

test('the namespace of the object is the one of the request', async () => {
  const { status, body } = await target.http.post(
    target.intentions(),
    target.intention('a', {}, { namespace: 'other' }),
  );
  expect({ status, message: body.message }).toEqual({
    status: 400,
    message: 'the namespace of the provided object does not match the namespace sent on the request',
  });
});

test('an update from an old version is a conflict', async () => {
  const first = await created('race');
  const next = { ...first, spec: { ...first.spec, action: 'deny' } };
  expect((await target.http.put(target.intentions('race'), next)).body.metadata.generation).toBe(2);
  const { status, body } = await target.http.put(target.intentions('race'), next);
  expect({ status, body }).toMatchObject({
    status: 409,
    body: {
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on intentions.mesh.dev "race": the object has been modified; please apply your changes to the latest version and try again',
    },
  });
});

test('an update that changes nothing has no new version', async () => {
  const first = await created('same');
  const { body } = await target.http.put(target.intentions('same'), first);
  expect(body.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
});

test('labels change the version and not the generation', async () => {
  const first = await created('labelled');
  const { body } = await target.http.patch(target.intentions('labelled'), 'merge', {
    metadata: { labels: { a: 'b' } },
  });
  expect(body.metadata.generation).toBe(1);
  expect(body.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
});

test('status is written apart, and does not count as a change of what is wanted', async () => {
  const first = await created('status');
  const path = target.intentions('status');
  const ignored = await target.http.put(path, { ...first, status: { precedence: 1 } });
  expect(ignored.body.status).toBeUndefined();
  const { body } = await target.http.patch(`${path}/status`, 'merge', {
    spec: { action: 'deny' },
    status: { precedence: 9 },
  });
  expect(body).toMatchObject({
    spec: { action: 'allow' },
    status: { precedence: 9 },
    metadata: { generation: 1 },
  });
});

test('a status in a new object is dropped', async () => {
  const { body } = await target.http.post(target.intentions(), {
    ...target.intention('with-status'),
    status: { precedence: 1 },
  });
  expect(body.status).toBeUndefined();
});

test('a finalizer holds the object until it is taken off', async () => {
  await created('held', { finalizers: ['mesh.dev/test'] });
  const path = target.intentions('held');
  const { body } = await target.http.delete(path);
  expect(body.metadata.deletionTimestamp).toBeDefined();
  expect((await target.http.get(path)).body.metadata.deletionTimestamp).toBeDefined();
  await target.http.patch(path, 'merge', { metadata: { finalizers: null } });
  expect((await target.http.get(path)).status).toBe(404);
});

test('a deletion answers with success and what it was', async () => {
  const { metadata } = await created('doomed');
  const { status, body } = await target.http.delete(target.intentions('doomed'));
  expect({ status, body }).toMatchObject({
    status: 200,
    body: {
      kind: 'Status',
      status: 'Success',
      details: { name: 'doomed', group: 'mesh.dev', kind: 'intentions', uid: metadata.uid },
    },
  });
});

test('a deletion of another object of the same name is a conflict', async () => {
  await created('other');
  const { status, body } = await target.http.delete(target.intentions('other'), {
    preconditions: { uid: 'not-it' },
  });
  expect({ status, reason: body.reason }).toEqual({ status: 409, reason: 'Conflict' });
});

test('what has an owner goes with it', async () => {
  const owner = await created('owner');
  const reference = {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'Intention',
    name: 'owner',
    uid: owner.metadata.uid,
  };
  await created('owned', { ownerReferences: [reference] });
  await target.http.delete(target.intentions('owner'), { propagationPolicy: 'Background' });
  // A real cluster's collector looks for new kinds every half minute.
  await until(async () => (await target.http.get(target.intentions('owned'))).status === 404);
}, 90_000);

test('a rehearsal keeps nothing', async () => {
  const { status, body } = await target.http.post(
    `${target.intentions()}?dryRun=All`,
    target.intention('rehearsed'),
  );
  expect({ status, name: body.metadata.name }).toEqual({ status: 201, name: 'rehearsed' });
  expect((await target.http.get(target.intentions('rehearsed'))).status).toBe(404);
});

test('a namespace takes everything in it along', async () => {
  const name = `${target.namespace}-inner`;
  await target.http.post('/api/v1/namespaces', { metadata: { name } });
  const inside = `/apis/mesh.dev/v1alpha1/namespaces/${name}/intentions`;
  await target.http.post(inside, { ...target.intention('a'), metadata: { name: 'a' } });
  await target.http.delete(`/api/v1/namespaces/${name}`);
  await until(async () => (await target.http.get(`/api/v1/namespaces/${name}`)).status === 404);
  expect((await target.http.get(inside)).body.items).toEqual([]);
}, 60_000);

test('a namespace has its default ServiceAccount, and gets it back', async () => {
  const path = target.core('serviceaccounts', 'default');
  let before: unknown;
  await until(async () => {
    const { status, body } = await target.http.get(path);
    before = body.metadata?.uid;
    return status === 200;
  });
  expect((await target.http.delete(path)).status).toBe(200);
  await until(async () => {
    const { status, body } = await target.http.get(path);
    return status === 200 && body.metadata.uid !== before;
  });
}, 60_000);

test('many are deleted by a selector', async () => {
  await created('of-many-1', { labels: { set: 'many' } });
  await created('of-many-2', { labels: { set: 'many' } });
  await created('not-of-many');
  await target.http.delete(`${target.intentions()}?labelSelector=set%3Dmany`);
  const { body } = await target.http.get(target.intentions());
  const names = body.items.map((item: { metadata: { name: string } }) => item.metadata.name) as string[];
  expect(names).not.toContain('of-many-1');
  expect(names).not.toContain('of-many-2');
  expect(names).toContain('not-of-many');
});

test('the status of a pod may bring annotations along, and nothing of its spec', async () => {
  const containers = [{ name: 'app', image: 'app' }];
  await target.http.post(target.core('serviceaccounts'), { metadata: { name: 'annotated' } });
  const made = await target.http.post(target.core('pods'), {
    metadata: { name: 'annotated', annotations: { first: '1' } },
    spec: {
      serviceAccountName: 'annotated',
      schedulerName: 'nobody',
      automountServiceAccountToken: false,
      containers,
    },
  });
  expect(made.status).toBe(201);
  const patch = {
    metadata: { annotations: { second: '2' } },
    spec: { schedulerName: 'somebody' },
    status: { phase: 'Running' },
  };
  expect((await target.http.patch(`${target.core('pods', 'annotated')}/status`, 'merge', patch)).status).toBe(
    200,
  );
  const { body } = await target.http.get(target.core('pods', 'annotated'));
  expect(body.metadata.annotations).toMatchObject({ first: '1', second: '2' });
  expect({ scheduler: body.spec.schedulerName, phase: body.status.phase }).toEqual({
    scheduler: 'nobody',
    phase: 'Running',
  });
});
