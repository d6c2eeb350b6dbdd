import { Target } from './target.fake.ts';

/** Merge, JSON and strategic merge patches. Held against the embedded API and a real one. */
let target: Target;
beforeAll(async () => void (target = await Target.start()), 60_000);
afterAll(() => target.close(), 120_000);

const made = async (name: string): Promise<string> => {
  await target.http.post(target.intentions(), target.intention(name, { description: 'first' }));
  return target.intentions(name);
};

test('a merge patch changes what it names, and null removes', async () => {
  const path = await made('merge');
  const { status, body } = await target.http.patch(path, 'merge', {
    spec: { action: 'deny', description: null },
  });
  expect(status).toBe(200);
  expect(body.spec).toEqual({
    source: { service: 'web' },
    destination: { service: 'merge' },
    action: 'deny',
  });
});

test('a merge patch with an old version is a conflict', async () => {
  const path = await made('merge-old');
  const old = (await target.http.get(path)).body.metadata.resourceVersion as string;
  await target.http.patch(path, 'merge', { spec: { action: 'deny' } });
  const { status } = await target.http.patch(path, 'merge', {
    metadata: { resourceVersion: old },
    spec: { action: 'allow' },
  });
  expect(status).toBe(409);
});

test('a JSON patch adds, replaces, removes and tests', async () => {
  const path = await made('json');
  const { status, body } = await target.http.patch(path, 'json', [
    { op: 'test', path: '/spec/action', value: 'allow' },
    { op: 'replace', path: '/spec/action', value: 'deny' },
    { op: 'remove', path: '/spec/description' },
    { op: 'add', path: '/metadata/labels', value: { a: 'b' } },
  ]);
  expect({ status, body }).toMatchObject({
    status: 200,
    body: { spec: { action: 'deny' }, metadata: { labels: { a: 'b' } } },
  });
  expect(body.spec.description).toBeUndefined();
});

test.each([
  ['a test that fails', [{ op: 'test', path: '/spec/action', value: 'deny' }]],
  ['a path that is not there', [{ op: 'remove', path: '/spec/nothing/at/all' }]],
])('a JSON patch with %s changes nothing', async (_what, patch) => {
  const path = await made(`json-${_what.length}`);
  const { status } = await target.http.patch(path, 'json', [
    ...patch,
    { op: 'replace', path: '/spec/action', value: 'deny' },
  ]);
  expect(status).toBe(422);
  expect((await target.http.get(path)).body.spec.action).toBe('allow');
});

test('custom resources take no strategic merge patch', async () => {
  const { status, body } = await target.http.patch(await made('strategic'), 'strategic-merge', {
    spec: { action: 'deny' },
  });
  expect({ status, reason: body.reason }).toEqual({ status: 415, reason: 'UnsupportedMediaType' });
});

test('a patch cannot rename', async () => {
  const { status } = await target.http.patch(await made('renamed'), 'merge', { metadata: { name: 'other' } });
  expect([400, 422]).toContain(status);
});

test('a strategic merge patch merges lists of Kubernetes by their keys', async () => {
  const service = {
    metadata: { name: 'strategic' },
    spec: {
      clusterIP: 'None',
      ports: [
        { name: 'a', port: 1 },
        { name: 'b', port: 2 },
      ],
    },
  };
  await target.http.post(target.core('services'), service);
  const path = target.core('services', 'strategic');
  const patch = {
    spec: {
      ports: [
        { port: 2, $patch: 'delete' },
        { port: 3, name: 'c' },
      ],
    },
  };
  const { status, body } = await target.http.patch(path, 'strategic-merge', patch);
  expect(status).toBe(200);
  const ports = body.spec.ports.map((port: { name: string; port: number }) => [
    port.name,
    port.port,
  ]) as unknown[];
  expect(ports).toHaveLength(2);
  expect(ports).toEqual(
    expect.arrayContaining([
      ['a', 1],
      ['c', 3],
    ]),
  );
});

test('maps of Kubernetes are merged by their keys', async () => {
  await target.http.post(target.core('configmaps'), { metadata: { name: 'map' }, data: { a: '1', b: '2' } });
  const { body } = await target.http.patch(target.core('configmaps', 'map'), 'strategic-merge', {
    data: { a: null, c: '3' },
  });
  expect(body.data).toEqual({ b: '2', c: '3' });
});
