import { Target } from '../contract/target.fake.ts';
import { ObjectStore } from '../store/object-store.ts';
import type { ApiObject, Json } from '../store/object.ts';
import { readBody } from './body.ts';
import { BUILT_IN_KINDS } from './built-in-kinds.ts';
import { applied } from './change/apply.ts';
import { jsonPatch } from './change/json-patch.ts';
import { strategicMerge } from './change/strategic-merge.ts';
import {
  MAX_DEPTH,
  MAX_OBJECT_BYTES,
  MAX_PATCH_OPERATIONS,
  MAX_STORE_BYTES,
  MAX_UPDATE_MANAGERS,
} from './limits.ts';
import { ApiStatusError } from './api-status-error.ts';

/** What one request can make the server hold or do. */

const configMaps = BUILT_IN_KINDS.find(({ plural }) => plural === 'configmaps')!;
const YAML = { contentType: 'application/apply-patch+yaml', method: 'PATCH' };
const yaml = (text: string): unknown => readBody(Buffer.from(text), YAML);
const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');
const list = <T>(count: number, item: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => item(index));

function refusal(action: () => unknown): ApiStatusError {
  try {
    action();
  } catch (error) {
    if (error instanceof ApiStatusError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/**
 * How much longer eight times as much takes: eight times where each part costs the same, sixty-four where each is compared with all.
 * The least of some rounds, in time of the processor: others on the machine can only make a round look worse.
 */
function growth(work: (size: number) => void, size: number): number {
  const cost = (of: number): number => {
    const before = process.cpuUsage();
    work(of);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  let least = Infinity;
  for (let round = 0; round < 8 && least >= LINEAR; round += 1) {
    const small = Math.min(...list(4, () => cost(size)));
    least = Math.min(least, cost(8 * size) / small);
  }
  return least;
}
const LINEAR = 28;

describe('a body in YAML', () => {
  test.each<[string, (depth: number) => string]>([
    ['lists in brackets', (depth) => '['.repeat(depth)],
    ['closed ones', (depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`],
    ['maps in braces', (depth) => '{a: '.repeat(depth)],
    ['dashes on a line', (depth) => `${'- '.repeat(depth)}a`],
    ['question marks', (depth) => `${'? '.repeat(depth)}a`],
    ['lines that are indented ever more', (depth) => lines(depth, (index) => `${' '.repeat(index)}a:`)],
  ])('that is nested too deep is refused, in any form: %s', (_form, make) => {
    // The library calls itself for each level: at some two thousand Node itself would end.
    for (const depth of [150, 2_000, 20_000])
      if (make(depth).length < 200_000) expect(refusal(() => yaml(make(depth))).code).toBe(400);
  });

  test('that is as deep as objects are is read', () => {
    const depth = 60;
    expect(yaml(lines(depth, (index) => `${' '.repeat(index)}a:`))).toHaveProperty(
      list(depth, () => 'a').join('.'),
    );
    expect(yaml('a: {b: [1, {c: [[2]]}]}')).toEqual({ a: { b: [1, { c: [[2]] }] } });
    expect(yaml('80: http\ntrue: yes\nscript: |\n  [[[[ {{{{\n')).toEqual({
      '80': 'http',
      true: 'yes',
      script: '[[[[ {{{{\n',
    });
  });

  test.each<[string, (count: number) => string]>([
    ['fields', (count) => lines(count, (index) => `k${index}: 1`)],
    ['items', (count) => lines(count, () => '- a')],
    ['fields in braces', (count) => `{${list(count, (index) => `k${index}: 1`).join(',')}}`],
    ['anchors', (count) => lines(count, (index) => `- &a${index} x`)],
    ['lines of a text', (count) => `a: "${'x\n '.repeat(count)}"`],
  ])('costs no more for each of many %s than for each of few', (_what, make) => {
    expect(growth((count) => yaml(make(count)), 300)).toBeLessThan(LINEAR);
  });

  test('cannot repeat what it has named without end', () => {
    const laughs = lines(
      9,
      (index) => `a${index}: &a${index} [${list(9, () => (index === 0 ? 'x' : `*a${index - 1}`)).join(',')}]`,
    );
    expect(refusal(() => yaml(laughs)).message).toContain('alias');
  });

  test('is short, and as JSON may be as long as any other', () => {
    const data = Object.fromEntries(list(30_000, (index) => [`k${index}`, 'x']));
    expect(refusal(() => yaml(lines(30_000, (index) => `k${index}: x`))).code).toBe(413);
    expect(yaml(JSON.stringify(data))).toEqual(data);
  });
});

describe('a JSON patch', () => {
  test('copies no more than it may, however few operations it has', () => {
    const doubling = list(60, (index): Json => ({ op: 'copy', from: '', path: `/c${index}` }));
    expect(() => jsonPatch({ a: 'x'.repeat(1_000) }, doubling)).toThrow('copies at most 3145728 bytes');
  });

  test('moves no more items of lists aside than it may', () => {
    const inserts = list(MAX_PATCH_OPERATIONS, (): Json => ({ op: 'add', path: '/data/0', value: 0 }));
    expect(refusal(() => jsonPatch({ data: list(300_000, () => 0) }, inserts)).code).toBe(413);
    const appends = list(MAX_PATCH_OPERATIONS, (): Json => ({ op: 'add', path: '/data/-', value: 0 }));
    expect(jsonPatch({ data: [] }, appends)).toHaveProperty('data.length', MAX_PATCH_OPERATIONS);
  });

  test('nests nothing deeper than it can be written out, and its paths are no longer', () => {
    const deeper = list(MAX_DEPTH, () => 'a').join('/');
    const nest: Json[] = list(300, () => [
      { op: 'add', path: '/t', value: {} },
      { op: 'copy', from: '/a', path: '/t/a' },
      { op: 'move', from: '/t', path: '/a' },
    ]).flat();
    expect(refusal(() => jsonPatch({ a: {} }, nest)).code).toBe(400);
    expect(() => jsonPatch({ a: {} }, [{ op: 'test', path: `/${deeper}/a`, value: 1 }])).toThrow('elements');
    expect(() => jsonPatch({ a: {} }, [{ op: 'add', path: '/'.repeat(1_000_000), value: 1 }])).toThrow(
      'elements',
    );
  });

  test('tests a long list at the cost of its length', () => {
    const test = (count: number): void =>
      void jsonPatch({ data: list(count, (index) => index) }, [
        { op: 'test', path: '/data', value: list(count, (index) => index) },
      ]);
    expect(growth(test, 5_000)).toBeLessThan(LINEAR);
  });

  test.each<[string, Json[], unknown]>([
    [
      'adds, also in the middle and at the end of a list',
      [
        { op: 'add', path: '/l/1', value: 9 },
        { op: 'add', path: '/l/-', value: 8 },
      ],
      { l: [1, 9, 2, 8], m: { a: 1 } },
    ],
    [
      'removes',
      [
        { op: 'remove', path: '/l/0' },
        { op: 'remove', path: '/m/a' },
      ],
      { l: [2], m: {} },
    ],
    [
      'replaces',
      [
        { op: 'replace', path: '/l/0', value: 7 },
        { op: 'replace', path: '/m', value: null },
      ],
      { l: [7, 2], m: null },
    ],
    ['moves', [{ op: 'move', from: '/m/a', path: '/l/0' }], { l: [1, 1, 2], m: {} }],
    [
      'copies what then changes apart',
      [
        { op: 'copy', from: '/m', path: '/n' },
        { op: 'add', path: '/n/b', value: 2 },
      ],
      { l: [1, 2], m: { a: 1 }, n: { a: 1, b: 2 } },
    ],
    [
      'reads escaped names',
      [
        { op: 'add', path: '/a~1b~0c', value: 1 },
        { op: 'test', path: '/a~1b~0c', value: 1 },
      ],
      { l: [1, 2], m: { a: 1 }, 'a/b~c': 1 },
    ],
    ['replaces all', [{ op: 'replace', path: '', value: { x: 1 } }], { x: 1 }],
  ])('%s (RFC 6902)', (_what, operations, after) => {
    const live = { l: [1, 2], m: { a: 1 } };
    expect(jsonPatch(live, operations)).toEqual(after);
    expect(live).toEqual({ l: [1, 2], m: { a: 1 } });
  });

  test.each<[string, Json]>([
    ['a path that is not there', { op: 'replace', path: '/no', value: 1 }],
    ['a parent that is not there', { op: 'add', path: '/no/a', value: 1 }],
    ['a place behind the end of a list', { op: 'add', path: '/l/3', value: 1 }],
    ['a place that is not a valid number', { op: 'add', path: '/l/01', value: 1 }],
    ['a value that it is moved into', { op: 'move', from: '/m', path: '/m/a/b' }],
    ['no value', { op: 'add', path: '/x' }],
    ['no path', { op: 'remove' }],
    ['a field of every object', { op: 'add', path: '/__proto__/polluted', value: 1 }],
    ['a field that only seems to be there', { op: 'test', path: '/constructor', value: 1 }],
    ['an operation that is none', { op: 'merge', path: '/l' }],
    ['a text for a parent', { op: 'add', path: '/t/0', value: 1 }],
  ])('with %s is refused', (_what, operation) => {
    expect(() => jsonPatch({ l: [1, 2], m: { a: 1 }, t: 'text' }, [operation])).toThrow();
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

test('a strategic merge patch of a set costs no more for each of many values than for each of few', () => {
  const finalizers = (prefix: string, count: number) => ({
    metadata: { finalizers: list(count, (index) => `${prefix}${index}`) },
  });
  expect(
    growth((count) => void strategicMerge(finalizers('a', count), finalizers('b', count)), 1_000),
  ).toBeLessThan(LINEAR);
  const doomed = (count: number) => ({
    metadata: { '$deleteFromPrimitiveList/finalizers': list(count, (index) => `b${index}`) },
  });
  expect(growth((count) => void strategicMerge(finalizers('a', count), doomed(count)), 1_000)).toBeLessThan(
    LINEAR,
  );
});

describe('server-side apply', () => {
  const manager = {
    name: 'm',
    operation: 'Apply' as const,
    subresource: undefined,
    time: '2026-01-01T00:00:00Z',
  };
  const apply = (live: ApiObject | undefined, wanted: object) =>
    applied(
      configMaps,
      live,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, ...wanted },
      manager,
      false,
    );

  test.each<[string, (prefix: string, count: number) => object]>([
    [
      'fields',
      (prefix, count) => ({ data: Object.fromEntries(list(count, (index) => [`${prefix}${index}`, ''])) }),
    ],
    [
      'items',
      (prefix, count) => ({
        spec: { containers: list(count, (index) => ({ name: `${prefix}${index}`, image: 'i' })) },
      }),
    ],
  ])('that leaves many %s out costs no more for each than for each of few', (_what, make) => {
    const work = (count: number): void => void apply(apply(undefined, make('a', count)), make('b', count));
    expect(growth(work, 250)).toBeLessThan(LINEAR);
  });

  test('of many fields that are nested deep is refused rather than written out', () => {
    let data: unknown = Object.fromEntries(list(100_000, (index) => [`k${index}`, 1]));
    for (let depth = 0; depth < 90; depth += 1) data = { a: data };
    expect(refusal(() => apply(undefined, { data })).code).toBe(413);
  });
});

describe('over HTTP', () => {
  let target: Target;
  beforeAll(async () => void (target = await Target.start()), 60_000);
  afterAll(() => target.close(), 120_000);

  const path = (name = '') => target.core('configmaps', name);
  const made = async (name: string, data: object = {}): Promise<string> => {
    expect((await target.http.post(path(), { metadata: { name }, data })).status).toBe(201);
    return path(name);
  };

  test('a patch of a megabyte of copies is refused, at the cost of some megabytes', async () => {
    const place = await made('copies', { a: 'x'.repeat(10_000) });
    const patch = list(MAX_PATCH_OPERATIONS, (index) => ({
      op: 'copy',
      from: '/data',
      path: `/data/copy-number-${index}-of-all-that-is-there-under-a-name`.padEnd(90, '-'),
    }));
    expect(JSON.stringify(patch).length).toBeGreaterThan(900_000);
    const before = process.memoryUsage().rss;
    expect((await target.http.patch(place, 'json', patch)).status).toBe(422);
    expect(process.memoryUsage().rss - before).toBeLessThan(300_000_000);
    const more = [...patch, patch[0]];
    expect((await target.http.patch(place, 'json', more)).status).toBe(413);
  });

  test('a patch that nests an object too deep is refused', async () => {
    const place = await made('deep');
    const patch = list(150, () => [
      { op: 'add', path: '/t', value: {} },
      { op: 'move', from: '/data', path: '/t/data' },
      { op: 'move', from: '/t', path: '/data' },
    ]).flat();
    expect(
      (await target.http.patch(place, 'json', [{ op: 'replace', path: '/data', value: {} }, ...patch]))
        .status,
    ).toBe(400);
  });

  test('an object is as large as etcd would take, and no larger, in whatever way it grows', async () => {
    const large = 'x'.repeat(MAX_OBJECT_BYTES - 10_000);
    const place = await made('large', { a: large });
    expect(
      (
        await target.http.post(path(), {
          metadata: { name: 'larger' },
          data: { a: `${large}${'x'.repeat(20_000)}` },
        })
      ).status,
    ).toBe(413);
    expect((await target.http.patch(place, 'merge', { data: { b: 'x'.repeat(20_000) } })).status).toBe(413);
    expect(
      (
        await target.http.apply(place, 'one', {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          data: { b: 'x'.repeat(20_000) },
        })
      ).status,
    ).toBe(413);
    expect(
      (await target.http.patch(place, 'json', [{ op: 'add', path: '/data/b', value: 'x'.repeat(20_000) }]))
        .status,
    ).toBe(413);
    expect((await target.http.get(place)).body.data.a).toBe(large);
  });

  test('managers that update an object are told apart up to so many; those that came first become one', async () => {
    const place = await made('managers');
    for (let index = 0; index < MAX_UPDATE_MANAGERS + 5; index += 1) {
      const patch = { data: { [`k${index}`]: 'x' } };
      const { status } = await target.http.send('PATCH', `${place}?fieldManager=m${index}`, {
        body: patch,
        contentType: 'application/merge-patch+json',
      });
      expect(status).toBe(200);
    }
    const { managedFields } = (await target.http.get(place)).body.metadata as {
      managedFields: { manager: string; fieldsV1: object }[];
    };
    expect(managedFields).toHaveLength(MAX_UPDATE_MANAGERS);
    const ancient = managedFields.find(({ manager }) => manager === 'ancient-changes');
    expect(JSON.stringify(ancient)).toContain('f:k0');
    expect(managedFields.map(({ manager }) => manager)).toContain(`m${MAX_UPDATE_MANAGERS + 4}`);
  });

  test('an answer lists the first of many faults, and how many there are', async () => {
    const labels = Object.fromEntries(list(5_000, (index) => [`-wrong-${index}`, '!']));
    const refused = await target.http.post(path(), { metadata: { name: 'wrong', labels } });
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused.body).length).toBeLessThan(100_000);
    expect(refused.body.message).toContain('more');
    const spec = Object.fromEntries(list(5_000, (index) => [`unknown${index}`, 1]));
    const warned = await target.http.post(target.intentions(), target.intention('warned', spec));
    expect(warned.status).toBe(201);
    expect(JSON.stringify(warned.headers).length).toBeLessThan(10_000);
  });

  test('a full store takes no more objects and none that grow, and can be emptied', async () => {
    const place = await made('full', { a: 'x' });
    const real = Object.getOwnPropertyDescriptor(ObjectStore.prototype, 'weight')!;
    Object.defineProperty(ObjectStore.prototype, 'weight', { ...real, get: () => MAX_STORE_BYTES });
    try {
      const refused = await target.http.post(path(), { metadata: { name: 'one-more' } });
      expect([refused.status, refused.body.reason]).toEqual([507, 'InsufficientStorage']);
      expect((await target.http.patch(place, 'merge', { data: { b: 'x' } })).status).toBe(507);
      expect(
        (await target.http.patch(place, 'merge', { data: { a: '' }, metadata: { managedFields: [{}] } }))
          .status,
      ).toBe(200);
      expect((await target.http.send('DELETE', place)).status).toBe(200);
    } finally {
      Object.defineProperty(ObjectStore.prototype, 'weight', real);
    }
  });

  test('a body in protobuf is short: two bytes of it can become an object', async () => {
    const { status } = await target.http.send('POST', path(), {
      body: `k8s\0${'x'.repeat(100_000)}`,
      contentType: 'application/vnd.kubernetes.protobuf',
    });
    expect(status).toBe(413);
  });
});
