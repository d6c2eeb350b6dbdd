import { afterEach, describe, expect, test } from '@jest/globals';

import { KubeClient } from '../client/client.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import {
  calls,
  ended,
  fake,
  keys,
  ofList,
  put,
  reflector,
  remove,
  serving,
  watching,
} from '../testing/reflector-bench.fake.ts';
import { PODS } from '../types.ts';
import { eventually } from '#base/testing/eventually.ts';

afterEach(ended);

describe('a reflector with limits', () => {
  test('keeps what comes first, and says how many it left out', async () => {
    await serving();
    put('a', 'b', 'c', 'd', 'e');
    watching({ limits: { total: 3 }, pageSize: 2 });
    await reflector.synced;
    expect(keys()).toEqual(['shop/a', 'shop/b', 'shop/c']);
    expect(reflector.stats.leftOut).toBe(2);
  });

  test('leaves out what a watch brings beyond them, and tells its listener that there is more', async () => {
    await serving();
    put('a', 'b');
    watching({ limits: { total: 2 } });
    await reflector.synced;
    await eventually(() => fake.openWatches === 1);
    put('c');
    await eventually(() => reflector.stats.leftOut === 1);
    expect(keys()).toEqual(['shop/a', 'shop/b']);
    await eventually(() => calls.length === 2);
    remove('c');
    await eventually(() => reflector.stats.leftOut === 0);
  });

  test('gives each namespace its share, so that one of them takes nothing from another', async () => {
    await serving();
    for (let index = 0; index < 100; index++) put(`p${index}`);
    fake.put(PODS, { metadata: { name: 'z', namespace: 'small' } });
    watching({ limits: { namespaceBytes: 1_000 } });
    await reflector.synced;
    expect(keys().filter((key) => key.startsWith('shop/')).length).toBeLessThan(12);
    expect(keys()).toContain('small/z');
  });

  test('takes in what was left out once there is room, with one list a minute at most', async () => {
    const clock = new FakeClock();
    await serving();
    put('a', 'b', 'c', 'd');
    watching({ limits: { total: 2 }, clock });
    await reflector.synced;
    await eventually(() => fake.openWatches === 1);
    remove('a');
    await eventually(() => keys().length === 1);
    expect(reflector.stats.lists).toBe(1);
    await clock.advance(60_000);
    remove('b');
    await eventually(() => fake.openWatches === 0);
    await clock.advance(1_000);
    await eventually(() => keys().join() === 'shop/c,shop/d');
    expect(reflector.stats).toMatchObject({ lists: 2, leftOut: 0 });
  });
});

test('objects so large that a page would not be read come in shorter pages', async () => {
  await serving();
  const api = new KubeClient({ config: { server: fake.url }, maxListBytes: 50_000 });
  for (let index = 0; index < 40; index++)
    fake.put(PODS, {
      metadata: { name: `p${index}`, namespace: 'shop', annotations: { large: 'x'.repeat(10_000) } },
    });
  watching({ api });
  await reflector.synced;
  expect(keys()).toHaveLength(40);
  const limits = fake.requests.filter(ofList).map(({ query }) => Number(query['limit']));
  expect(Math.max(...limits.slice(4))).toBeLessThanOrEqual(7);
  await reflector.stop();
  api.close();
});
