import { Target } from './target.fake.ts';

/** Many objects: lists, pages, selectors, tables, watches. Held against the embedded API and a real one. */
let target: Target;
beforeAll(async () => {
  target = await Target.start();
  for (const name of ['a', 'b', 'c', 'd', 'e'])
    await target.http.post(
      target.intentions(),
      target.intention(name, {}, { labels: { half: name < 'c' ? 'first' : 'second' } }),
    );
}, 60_000);
afterAll(() => target.close(), 120_000);

const names = (body: { items: { metadata: { name: string } }[] }): string[] =>
  body.items.map(({ metadata }) => metadata.name);
const list = async (query: string) => (await target.http.get(`${target.intentions()}?${query}`)).body;
const version = async (): Promise<string> => (await list('limit=1')).metadata.resourceVersion as string;

test('a list has the kind, the version, and items in the order of their names', async () => {
  const body = await list('');
  expect(body).toMatchObject({ kind: 'IntentionList', apiVersion: 'mesh.dev/v1alpha1' });
  expect(body.metadata.resourceVersion).toMatch(/^\d+$/);
  expect(names(body)).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('pages of a list show one state, whatever changes meanwhile', async () => {
  const first = await list('limit=2');
  expect(names(first)).toEqual(['a', 'b']);
  expect(first.metadata.remainingItemCount).toBe(3);
  await target.http.post(target.intentions(), target.intention('cc'));
  const second = await list(`limit=2&continue=${encodeURIComponent(first.metadata.continue as string)}`);
  expect(names(second)).toEqual(['c', 'd']);
  expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  const last = await list(`limit=2&continue=${encodeURIComponent(second.metadata.continue as string)}`);
  expect(names(last)).toEqual(['e']);
  expect(last.metadata.continue ?? '').toBe('');
  await target.http.delete(target.intentions('cc'));
});

test('a continue token that is none is refused', async () => {
  const { status, body } = await target.http.get(`${target.intentions()}?continue=nonsense`);
  expect({ status, reason: body.reason }).toEqual({ status: 400, reason: 'BadRequest' });
});

test.each([
  ['half=first', ['a', 'b']],
  ['half!=first', ['c', 'd', 'e']],
  ['half in (second,third)', ['c', 'd', 'e']],
  ['half notin (second)', ['a', 'b']],
  ['half', ['a', 'b', 'c', 'd', 'e']],
  ['!half', []],
  ['half=first,half=second', []],
])('labels are selected by %s', async (selector, expected) => {
  expect(names(await list(`labelSelector=${encodeURIComponent(selector)}`))).toEqual(expected);
});

test('fields of custom resources are selected by name and namespace only', async () => {
  expect(names(await list('fieldSelector=metadata.name%3Db'))).toEqual(['b']);
  expect(names(await list('fieldSelector=metadata.name!%3Db'))).toEqual(['a', 'c', 'd', 'e']);
  expect(await target.http.get(`${target.intentions()}?fieldSelector=spec.action%3Dallow`)).toMatchObject({
    status: 400,
  });
});

test.each(['a=b=c', 'a in', '=b'])('the selector %s is refused', async (selector) => {
  const { status } = await target.http.get(
    `${target.intentions()}?labelSelector=${encodeURIComponent(selector)}`,
  );
  expect(status).toBe(400);
});

test('all namespaces are listed together', async () => {
  const { body } = await target.http.get('/apis/mesh.dev/v1alpha1/intentions');
  expect(names(body)).toEqual(expect.arrayContaining(['a', 'b', 'c', 'd', 'e']));
});

test('a table has our columns', async () => {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
  const { body } = await target.http.get(`${target.intentions()}?limit=1`, { accept });
  expect(body).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1' });
  const columns = body.columnDefinitions.map((column: { name: string }) => column.name) as string[];
  expect(columns).toEqual([
    'Name',
    'Source',
    'Action',
    'Destination',
    'Precedence',
    'Enforced',
    'Hits',
    'Last-Used',
    'Mode',
    'Source-Namespace',
    'Source-SPIFFE-ID',
    'Age',
  ]);
  const [{ cells, object }] = body.rows;
  expect(cells.slice(0, 4)).toEqual(['a', 'web', 'allow', 'a']);
  expect(cells.slice(4, 10)).toEqual([null, null, null, null, null, null]);
  expect(object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } });
});

test('a watch from a version delivers what came after it', async () => {
  const since = await version();
  await target.http.post(target.intentions(), target.intention('w'));
  await target.http.patch(target.intentions('w'), 'merge', { spec: { action: 'deny' } });
  const events = await target.http.watch(
    `${target.intentions()}?watch=true&resourceVersion=${since}`,
    3,
    () => target.http.delete(target.intentions('w')),
  );
  expect(events.map(({ type, object }) => [type, object.metadata.name, object.spec.action])).toEqual([
    ['ADDED', 'w', 'allow'],
    ['MODIFIED', 'w', 'deny'],
    ['DELETED', 'w', 'deny'],
  ]);
  const versions = events.map(({ object }) => Number(object.metadata.resourceVersion));
  expect(versions).toEqual([...versions].sort((a, b) => a - b));
  expect(new Set(versions).size).toBe(3);
});

test('a watch without a version begins with what is there', async () => {
  const events = await target.http.watch(`${target.intentions()}?watch=true`, 5);
  expect(events.map(({ type }) => type)).toEqual(Array.from({ length: 5 }, () => 'ADDED'));
  expect(events.map(({ object }) => object.metadata.name as string).sort()).toEqual([
    'a',
    'b',
    'c',
    'd',
    'e',
  ]);
});

test('an object that begins to match is added to a watch, one that ceases to is deleted from it', async () => {
  const since = await version();
  const events = await target.http.watch(
    `${target.intentions()}?watch=true&resourceVersion=${since}&labelSelector=moved`,
    2,
    async () => {
      await target.http.patch(target.intentions('a'), 'merge', { metadata: { labels: { moved: 'yes' } } });
      await target.http.patch(target.intentions('a'), 'merge', { metadata: { labels: { moved: null } } });
    },
  );
  expect(events.map(({ type, object }) => [type, object.metadata.labels.moved])).toEqual([
    ['ADDED', 'yes'],
    ['DELETED', 'yes'],
  ]);
});

test('a watch ends when its time is up', async () => {
  const began = Date.now();
  await target.http.watch(
    `${target.intentions()}?watch=true&timeoutSeconds=1&resourceVersion=${await version()}`,
    1,
  );
  expect(Date.now() - began).toBeGreaterThan(900);
});

test('a watch that asks for it is told before its end of versions it was not sent, so that the next begins there', async () => {
  const since = await version();
  // A real server tells of them two seconds before the end.
  const path = `${target.intentions()}?watch=true&timeoutSeconds=8&resourceVersion=${since}&labelSelector=nobodys`;
  const other = target.http.watch(path, Infinity);
  let changed = 0;
  const asked = await target.http.watch(`${path}&allowWatchBookmarks=1`, Infinity, async () => {
    const { body } = await target.http.post(target.intentions(), target.intention('unselected'));
    changed = Number(body.metadata.resourceVersion);
    await target.http.delete(target.intentions('unselected'));
  });
  const { type, object } = asked.at(-1)!;
  expect({ type, kind: object.kind, spec: object.spec?.action }).toEqual({
    type: 'BOOKMARK',
    kind: 'Intention',
    spec: undefined,
  });
  expect(Number(object.metadata.resourceVersion)).toBeGreaterThanOrEqual(changed);
  expect(await other).toEqual([]);
});

test('a watch from a version that is forgotten is told so', async () => {
  const since = await target.forgottenVersion();
  const path = `${target.intentions()}?watch=true&resourceVersion=${since}`;
  const outcome = await target.http.watch(path, 1).catch((error: Error) => error.message);
  expect(JSON.stringify(outcome)).toMatch(/410/);
});

test('tables are watched too', async () => {
  const { body } = await target.http.get(`${target.intentions('b')}`, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  expect(body.rows).toHaveLength(1);
});
