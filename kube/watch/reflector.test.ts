import { afterEach, describe, expect, test } from '@jest/globals';

import type { KubeApi, ListPage } from '../api.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { systemClock } from '#base/clock.ts';
import { KubeConnectionError, KubeError, KubeUnreachableError } from '../errors.ts';
import type { FakeRequest } from '../testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { silentLog } from '#base/log.ts';
import { Reflector } from './reflector.ts';
import {
  calls,
  ended,
  fake,
  keys,
  label,
  ofList,
  ofWatch,
  put,
  reflector,
  serving,
  started,
  watching,
} from '../testing/reflector-bench.fake.ts';
import { PODS } from '../types.ts';
import type { Pod } from '../types.ts';
import { eventually } from '#base/testing/eventually.ts';
import { failure } from '#base/testing/failure.ts';

afterEach(ended);

const reads = (match: (request: FakeRequest) => boolean) => fake.requests.filter(match).length;

describe('the first list', () => {
  test('comes in pages and is told in one call', async () => {
    await serving();
    put('a', 'b', 'c', 'd', 'e');
    watching({ pageSize: 2 });
    expect(reflector.hasSynced).toBe(false);
    await reflector.synced;
    expect(calls).toEqual([['shop/a', 'shop/b', 'shop/c', 'shop/d', 'shop/e']]);
    expect(fake.requests.filter(ofList).map(({ query }) => query['limit'])).toEqual(['2', '2', '2']);
  });

  test('is told even when there is nothing', async () => {
    await serving();
    watching();
    await reflector.synced;
    expect(calls).toEqual([[]]);
    expect(reflector.stats).toMatchObject({ lists: 1, events: 0 });
  });

  test('is tried until it succeeds, in a namespace and with selectors', async () => {
    await serving();
    fake.failNext(500, 3);
    fake.put(PODS, { metadata: { name: 'x', namespace: 'other', labels: { app: 'web' } } });
    fake.put(PODS, { metadata: { name: 'a', namespace: 'shop', labels: { app: 'web' } } });
    put('b');
    watching({ selection: { namespace: 'shop', labelSelector: 'app=web' } });
    await reflector.synced;
    expect(keys()).toEqual(['shop/a']);
    expect(reflector.stats.restarts).toEqual({ 'server-error': 3 });
  });

  test('whose later pages expire is read again in larger ones', async () => {
    await serving();
    put('a', 'b', 'c');
    fake.failNext(410, 1, undefined, ({ query }) => query['continue'] !== undefined);
    watching({ pageSize: 2 });
    await reflector.synced;
    expect(keys()).toHaveLength(3);
    expect(fake.requests.filter(ofList).map(({ query }) => query['limit'])).toEqual(['2', '2', '20']);
  });
});

describe('what it keeps', () => {
  test('is the object without the record of who wrote which field', async () => {
    await serving();
    fake.put(PODS, {
      metadata: { name: 'a', namespace: 'shop', managedFields: [{ manager: 'x' }] } as never,
    });
    watching();
    await reflector.synced;
    expect(reflector.items.get('shop/a')!.metadata).not.toHaveProperty('managedFields');
  });

  test('is what `transform` makes of it; an object it cannot read is left out and told in the log', async () => {
    await serving();
    put('a', 'bad');
    const log = new FakeLog();
    const compact = new Reflector({
      api: fake.api,
      type: PODS,
      clock: systemClock,
      log,
      transform: ({ metadata }) => {
        if (metadata.name === 'bad') throw new Error('cannot read this');
        return metadata.name.length;
      },
    });
    compact.start();
    await compact.synced;
    await compact.stop();
    expect([...compact.items]).toEqual([['shop/a', 1]]);
    expect(log.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { key: 'shop/bad', resource: 'pods' } },
    ]);
  });

  test('stays while the server is gone, and only its age tells', async () => {
    await started();
    await fake.stop();
    await eventually(() => (reflector.stats.restarts.connection ?? 0) > 2);
    const { lastSyncAt, watching: open } = reflector.stats;
    expect(keys()).toEqual(['shop/a', 'shop/b']);
    await eventually(() => (reflector.stats.restarts.connection ?? 0) > 4);
    expect(reflector.lastSyncAt).toBe(lastSyncAt);
    expect(typeof open).toBe('boolean');
  });
});

describe('after an interruption', () => {
  test('it goes on from the last bookmark, without listing again', async () => {
    await started();
    fake.put({ ...PODS, plural: 'others' }, { metadata: { name: 'x', namespace: 'shop' } });
    const before = reflector.lastSyncAt!;
    await systemClock.sleep(5);
    fake.bookmark();
    await eventually(() => reflector.lastSyncAt! > before);
    fake.closeWatches();
    await eventually(() => reads(ofWatch) === 2);
    expect(fake.requests.at(-1)?.query).toMatchObject({
      resourceVersion: String(fake.store.version),
      allowWatchBookmarks: 'true',
    });
    expect(reads(ofList)).toBe(1);
  });

  test('a new list tells only what changed', async () => {
    await started();
    await fake.stop();
    label('b', 'new');
    fake.store.compact();
    await fake.start();
    await eventually(() => calls.length === 2);
    expect(calls).toEqual([['shop/a', 'shop/b'], ['shop/b']]);
  });

  test('it asks for watches of four to eight minutes', async () => {
    await started({ random: () => 0.5 });
    expect(fake.requests.at(-1)?.query['timeoutSeconds']).toBe('360');
  });
});

describe('an onChange that fails', () => {
  test.each(['throws', 'rejects'])('(%s) gets the same keys again with the next change', async (how) => {
    await serving();
    put('a');
    watching({
      onChange: (_items, changed) => {
        calls.push([...changed].sort());
        if (calls.length > 1) return;
        if (how === 'rejects') return Promise.reject(new Error('no'));
        throw new Error('no');
      },
    });
    await reflector.synced;
    await eventually(() => fake.openWatches === 1);
    put('b');
    await eventually(() => calls.length === 2);
    expect(calls).toEqual([['shop/a'], ['shop/a', 'shop/b']]);
  });

  test('gets them again after ten seconds when nothing else changes', async () => {
    await serving();
    put('a');
    const clock = new FakeClock();
    watching({
      clock,
      onChange: (_items, changed) => {
        calls.push([...changed]);
        if (calls.length === 1) throw new Error('no');
      },
    });
    await reflector.synced;
    await clock.advance(9_999);
    expect(calls).toHaveLength(1);
    await clock.advance(1);
    expect(calls).toEqual([['shop/a'], ['shop/a']]);
  });
});

describe('waiting between attempts', () => {
  /** A server that fails every list: with these errors in turn, the last for ever. */
  const refusing = (...errors: readonly Error[]): KubeApi => {
    let asked = 0;
    const list = (): Promise<ListPage<Pod>> => Promise.reject(errors[Math.min(asked++, errors.length - 1)]!);
    return { list } as unknown as KubeApi;
  };

  async function waits(
    errors: Error | readonly Error[],
    random: () => number,
    count: number,
  ): Promise<number[]> {
    const clock = new FakeClock();
    const api = refusing(...[errors].flat());
    const lonely = new Reflector({ api, type: PODS, clock, log: silentLog, random });
    lonely.start();
    const found: number[] = [];
    for (let i = 0; i < count; i++) {
      await clock.advance(0);
      found.push(Math.round(clock.nextTimerIn!));
      await clock.advance(clock.nextTimerIn!);
    }
    await lonely.stop();
    return found;
  }

  test('doubles from 0.2 s to 30 s at the longest', async () => {
    const error = new KubeError({ status: 500, reason: '', message: 'no' });
    expect(await waits(error, () => 0.99999999, 10)).toEqual([
      200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000,
    ]);
  });

  test('is 5 s at the longest while no server can be reached, so that what was changed is soon known when it is back', async () => {
    const unreachable = new KubeUnreachableError('connection refused');
    expect(await waits(unreachable, () => 0.99999999, 8)).toEqual([
      200, 400, 800, 1600, 3200, 5000, 5000, 5000,
    ]);
  });

  test('is short again when a server that was not to be reached answers, though it refuses at first', async () => {
    const unreachable = new KubeUnreachableError('connection refused');
    const forbidden = new KubeError({ status: 403, reason: 'Forbidden', message: 'no roles are known yet' });
    const outage = Array.from({ length: 6 }, () => unreachable);
    const found = await waits([...outage, forbidden, forbidden, unreachable], () => 0.99999999, 10);
    expect(found.slice(5)).toEqual([5000, 200, 400, 200, 400]);
  });

  test('grows to 30 s when the server answers and then breaks off, which costs it much', async () => {
    const broken = new KubeConnectionError('no answer from the API server within 30000 ms');
    expect((await waits(broken, () => 0.99999999, 10)).at(-1)).toBe(30_000);
  });

  test('is anything up to that, so that many that failed together do not come back together', async () => {
    const error = new KubeError({ status: 500, reason: '', message: 'no' });
    expect(await waits(error, () => 0.25, 3)).toEqual([50, 100, 200]);
  });

  test('is no shorter than the server asks, and up to half longer', async () => {
    const error = new KubeError({ status: 429, reason: '', message: 'slow down', retryAfterMs: 8000 });
    expect(await waits(error, () => 0, 2)).toEqual([8000, 8000]);
    expect(await waits(error, () => 0.5, 2)).toEqual([10_000, 10_000]);
  });

  test('starts from the shortest again after a watch that worked', async () => {
    const clock = new FakeClock();
    await started({ clock, random: () => 0.5 });
    for (let i = 0; i < 4; i++) {
      fake.closeWatches();
      await eventually(() => reflector.stats.restarts.closed === i + 1);
      await clock.advance(30_000);
      await eventually(() => fake.openWatches === 1);
    }
    fake.closeWatches();
    await eventually(() => reflector.stats.restarts.closed === 5);
    expect(clock.nextTimerIn).toBeLessThanOrEqual(100);
  });

  test('is told in the log when it begins and then every two minutes, not with every attempt', async () => {
    const log = new FakeLog();
    const clock = new FakeClock();
    const error = new KubeUnreachableError('connection refused');
    const lonely = new Reflector({ api: refusing(error), type: PODS, clock, log, random: () => 0.5 });
    lonely.start();
    await clock.advance(60_000);
    const warnings = (): number => log.lines.filter(({ level }) => level === 'warn').length;
    expect(lonely.stats.restarts.connection).toBeGreaterThan(20);
    expect(warnings()).toBe(1);
    await clock.advance(240_000);
    await lonely.stop();
    expect(warnings()).toBe(3);
  });

  test('is told again when it worked in between', async () => {
    const log = new FakeLog();
    const clock = new FakeClock();
    await started({ clock, log, random: () => 0.5 });
    const warnings = (): number => log.lines.filter(({ level }) => level === 'warn').length;
    for (const times of [1, 2]) {
      put(`new-${times}`);
      await eventually(() => reflector.items.has(`shop/new-${times}`));
      await clock.advance(10_000);
      fake.breakConnections();
      await eventually(() => warnings() === times);
      await clock.advance(30_000);
      await eventually(() => fake.openWatches === 1);
    }
  });
});

describe('stop', () => {
  test('ends watch and waiting, and nothing is told any more', async () => {
    await started();
    put('c');
    fake.closeWatches();
    await reflector.stop();
    await reflector.stop();
    const told = calls.length;
    put('d');
    await eventually(() => fake.openWatches === 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls).toHaveLength(told);
  });

  test('works before anything was read', async () => {
    await serving();
    fake.stall();
    watching();
    await reflector.stop();
    expect(calls).toEqual([]);
    expect(
      await failure(Promise.race([reflector.synced, Promise.reject(new Error('still open'))])),
    ).toBeDefined();
  });
});
