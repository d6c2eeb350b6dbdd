import { afterEach, describe, expect, test } from '@jest/globals';

import type { Intention } from '#core/model/intention.ts';
import {
  KubeConnectionError,
  KubeError,
  KubeUnreachableError,
  isAlreadyExists,
  isConflict,
  isGone,
  isNotFound,
} from '../errors.ts';
import { FakeApiServer, Refused } from '../testing/fake-api.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { failure } from '#base/testing/failure.ts';
import { CONFIG_MAPS, INTENTIONS, NAMESPACES, PODS, TOKEN_REVIEWS } from '../types.ts';

let fake: FakeApiServer;

afterEach(() => fake.close());

function intention(name: string, action: 'allow' | 'deny' = 'allow'): Intention {
  return {
    metadata: { name, namespace: 'shop' },
    spec: { source: { service: 'web' }, destination: { service: 'db' }, action },
  };
}

const inShop = (name: string) => ({ name, namespace: 'shop' });

describe('objects', () => {
  test('are created with uid, resourceVersion and generation, and read back', async () => {
    fake = await FakeApiServer.started();
    const created = await fake.api.create(INTENTIONS, intention('a'));
    expect(created).toMatchObject({
      apiVersion: 'mesh.dev/v1alpha1',
      kind: 'Intention',
      metadata: { generation: 1 },
    });
    expect(created.metadata.uid).toBeDefined();
    expect(await fake.api.get(INTENTIONS, inShop('a'))).toEqual(created);
  });

  test('that exist already, that do not exist, and that changed meanwhile are told apart', async () => {
    fake = await FakeApiServer.started();
    const first = await fake.api.create(INTENTIONS, intention('a'));
    expect(isAlreadyExists(await failure(fake.api.create(INTENTIONS, intention('a'))))).toBe(true);
    expect(isNotFound(await failure(fake.api.get(INTENTIONS, inShop('b'))))).toBe(true);
    await fake.api.update(INTENTIONS, { ...first, ...intention('a', 'deny'), metadata: first.metadata });
    expect(isConflict(await failure(fake.api.update(INTENTIONS, first)))).toBe(true);
  });

  test('get a new generation when the spec changes, and none when only the status does', async () => {
    fake = await FakeApiServer.started();
    await fake.api.create(INTENTIONS, intention('a'));
    const status = await fake.api.mergePatch(
      INTENTIONS,
      inShop('a'),
      { status: { precedence: 9 } },
      { subresource: 'status' },
    );
    expect(status).toMatchObject({ metadata: { generation: 1 }, status: { precedence: 9 } });
    const spec = await fake.api.mergePatch(INTENTIONS, inShop('a'), {
      spec: { action: 'deny' },
      status: { precedence: 1 },
    });
    expect(spec).toMatchObject({
      metadata: { generation: 2 },
      spec: { action: 'deny' },
      status: { precedence: 9 },
    });
  });

  test('are applied: made when missing, and fields left out later are removed', async () => {
    fake = await FakeApiServer.started();
    const settings = (data: Record<string, string>) => ({ metadata: inShop('settings'), data });
    await fake.api.apply(CONFIG_MAPS, settings({ a: '1', b: '2' }), 'mesh-operator');
    await fake.api.mergePatch(CONFIG_MAPS, inShop('settings'), { data: { c: 'of another' } });
    const applied = await fake.api.apply(CONFIG_MAPS, settings({ a: '1' }), 'mesh-operator');
    expect(applied.data).toEqual({ a: '1', c: 'of another' });
    expect(fake.requests.at(-1)).toMatchObject({ query: { fieldManager: 'mesh-operator', force: 'true' } });
  });

  test('are deleted, after their finalizers are gone', async () => {
    fake = await FakeApiServer.started();
    fake.put(INTENTIONS, { ...intention('a'), metadata: { ...inShop('a'), finalizers: ['mesh.dev/x'] } });
    await fake.api.delete(INTENTIONS, inShop('a'));
    expect(fake.find(INTENTIONS, inShop('a'))?.metadata.deletionTimestamp).toBeDefined();
    await fake.api.mergePatch(INTENTIONS, inShop('a'), { metadata: { finalizers: null } });
    expect(fake.find(INTENTIONS, inShop('a'))).toBeUndefined();
  });

  test('without a name or namespace are refused before anything is sent', async () => {
    fake = await FakeApiServer.started();
    await expect(fake.api.get(PODS, { name: '', namespace: 'shop' })).rejects.toThrow('has no name');
    await expect(fake.api.get(PODS, { name: 'web' })).rejects.toThrow('has no namespace');
    await expect(fake.api.get(NAMESPACES, { name: 'shop', namespace: 'shop' })).rejects.toThrow(
      'cluster-scoped',
    );
    expect(fake.requests).toEqual([]);
  });

  test('with names that would lead to another path are refused, and others are escaped', async () => {
    fake = await FakeApiServer.started();
    await expect(fake.api.get(PODS, { name: '../secrets/ca', namespace: 'shop' })).rejects.toThrow(
      'no Pod can be named',
    );
    await expect(fake.api.get(PODS, { name: '..', namespace: 'shop' })).rejects.toThrow(
      'no Pod can be named',
    );
    expect(isNotFound(await failure(fake.api.get(PODS, { name: 'a?watch=1', namespace: 'shop' })))).toBe(
      true,
    );
    expect(fake.requests).toMatchObject([
      { path: '/api/v1/namespaces/shop/pods/a%3Fwatch%3D1', watch: false },
    ]);
  });
});

describe('lists', () => {
  test('come in pages, in one namespace or in all, with kind and apiVersion on every object', async () => {
    fake = await FakeApiServer.started();
    for (const name of ['a', 'b', 'c']) fake.put(PODS, { metadata: inShop(name) });
    fake.put(PODS, { metadata: { name: 'z', namespace: 'other' } });
    const first = await fake.api.list(PODS, { namespace: 'shop', limit: 2 });
    expect(first.items.map(({ kind, apiVersion, metadata }) => [apiVersion, kind, metadata.name])).toEqual([
      ['v1', 'Pod', 'a'],
      ['v1', 'Pod', 'b'],
    ]);
    const second = await fake.api.list(PODS, {
      namespace: 'shop',
      limit: 2,
      continueToken: first.continueToken!,
    });
    expect(second.items.map(({ metadata }) => metadata.name)).toEqual(['c']);
    expect(second.continueToken).toBeUndefined();
    expect((await fake.api.list(PODS)).items).toHaveLength(4);
    fake.gone();
    const late = fake.api.list(PODS, { namespace: 'shop', limit: 2, continueToken: first.continueToken! });
    expect(isGone(await failure(late))).toBe(true);
  });

  test('are narrowed by label and field selectors', async () => {
    fake = await FakeApiServer.started();
    fake.put(PODS, { metadata: { ...inShop('a'), labels: { app: 'web' } }, status: { podIP: '10.0.0.1' } });
    fake.put(PODS, {
      metadata: { ...inShop('b'), labels: { app: 'db', tier: 'x' } },
      status: { podIP: '10.0.0.2' },
    });
    const names = async (selection: object): Promise<string[]> =>
      (await fake.api.list(PODS, selection)).items.map(({ metadata }) => metadata.name);
    expect(await names({ labelSelector: 'app=web' })).toEqual(['a']);
    expect(await names({ labelSelector: 'app in (web, db),!tier' })).toEqual(['a']);
    expect(await names({ labelSelector: 'app!=web,tier' })).toEqual(['b']);
    expect(await names({ fieldSelector: 'status.podIP=10.0.0.2' })).toEqual(['b']);
    expect(await names({ fieldSelector: 'metadata.name=a,metadata.namespace=shop' })).toEqual(['a']);
    await expect(names({ fieldSelector: 'spec.whatever=1' })).rejects.toMatchObject({ status: 400 });
  });
});

describe('watches', () => {
  test('deliver what happened since a resourceVersion, what happens, and bookmarks', async () => {
    fake = await FakeApiServer.started();
    const { resourceVersion } = await fake.api.list(PODS);
    fake.put(PODS, { metadata: inShop('a') });
    const seen: string[] = [];
    for await (const event of fake.api.watch(PODS, {
      namespace: 'shop',
      resourceVersion,
      timeoutSeconds: 5,
    })) {
      seen.push(event.type === 'BOOKMARK' ? 'BOOKMARK' : `${event.type} ${event.object.metadata.name}`);
      if (seen.length === 1) {
        fake.put(PODS, { metadata: { name: 'of-another', namespace: 'other' } });
        fake.put(PODS, { metadata: { ...inShop('a'), labels: { app: 'web' } } });
        fake.remove(PODS, inShop('a'));
        fake.bookmark();
      }
      if (seen.length === 4) fake.closeWatches();
    }
    expect(seen).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a', 'BOOKMARK']);
  });

  test('with a selector see objects come and go as they begin and cease to match', async () => {
    fake = await FakeApiServer.started();
    fake.put(PODS, { metadata: inShop('a') });
    const { resourceVersion } = await fake.api.list(PODS);
    fake.put(PODS, { metadata: { ...inShop('a'), labels: { app: 'web' } } });
    fake.put(PODS, { metadata: inShop('a') });
    const seen: string[] = [];
    const selection = { labelSelector: 'app=web', resourceVersion, timeoutSeconds: 5 };
    for await (const event of fake.api.watch(PODS, selection)) {
      seen.push(event.type);
      if (seen.length === 2) break;
    }
    expect(seen).toEqual(['ADDED', 'DELETED']);
  });

  test('end at once, and at the server too, when the caller aborts or breaks off', async () => {
    fake = await FakeApiServer.started();
    const { resourceVersion } = await fake.api.list(PODS);
    const controller = new AbortController();
    const watching = (async () => {
      const selection = { resourceVersion, timeoutSeconds: 60 };
      for await (const event of fake.api.watch(PODS, selection, { signal: controller.signal })) void event;
    })();
    await eventually(() => fake.openWatches === 1);
    controller.abort(new Error('enough'));
    await expect(watching).rejects.toThrow('enough');
    await eventually(() => fake.openWatches === 0);
  });
});

describe('refusals', () => {
  test('carry status, reason, message and how long to wait', async () => {
    fake = await FakeApiServer.started();
    fake.failNext(429, 1, 7);
    const refused = await fake.api.list(PODS).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(KubeError);
    expect(refused).toMatchObject({ status: 429, reason: 'TooManyRequests', retryAfterMs: 7000 });
    fake.intercept = () => new Refused(403, 'Forbidden', 'pods is forbidden: User "x" cannot list');
    await expect(fake.api.list(PODS)).rejects.toThrow(/GET \/api\/v1\/pods: pods is forbidden/);
  });

  test('of a server that sends something else than Kubernetes are connection errors', async () => {
    fake = await FakeApiServer.started();
    await expect(
      fake.api.get({ ...PODS, plural: 'x', group: '', version: '../../readyz?' }, inShop('a')),
    ).rejects.toThrow();
    await expect(fake.api.list(PODS)).resolves.toMatchObject({ items: [] });
    fake.garbleNext('<html>login</html>', () => true);
    const garbled = await failure(fake.api.list(PODS));
    expect(garbled).toBeInstanceOf(KubeConnectionError);
    expect(garbled).not.toBeInstanceOf(KubeUnreachableError);
  });

  test('of a server that is not there are told apart: the attempt cost it nothing', async () => {
    fake = await FakeApiServer.started();
    await fake.stop();
    await expect(fake.api.list(PODS)).rejects.toBeInstanceOf(KubeUnreachableError);
  });
});

test('reviews are answered by the hooks and stored nowhere', async () => {
  fake = await FakeApiServer.started();
  fake.onTokenReview = ({ spec }) => ({ authenticated: spec.token === 'good', user: { username: 'u' } });
  const review = await fake.api.create(TOKEN_REVIEWS, { metadata: { name: '' }, spec: { token: 'good' } });
  expect(review.status).toEqual({ authenticated: true, user: { username: 'u' } });
  expect(fake.objects(TOKEN_REVIEWS)).toEqual([]);
});

test('plain paths are read with raw', async () => {
  fake = await FakeApiServer.started({ version: '1.20' });
  expect(await fake.api.raw('/version')).toMatchObject({ major: '1', minor: '20' });
  expect(await fake.api.raw('/readyz')).toBe('ok');
});
