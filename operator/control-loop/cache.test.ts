import { systemClock } from '#base/clock.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { silentLog } from '#base/log.ts';
import { CONFIG_MAPS } from '#kube/types.ts';
import type { ConfigMap } from '#kube/types.ts';

import { Cache } from './cache.ts';
import type { Change } from './cache.ts';

describe('a cache', () => {
  test('tells each listener what was and what is, and knows the objects of a namespace', async () => {
    const fake = await FakeApiServer.started();
    const cache = new Cache({ api: fake.api, type: CONFIG_MAPS, clock: systemClock, log: silentLog });
    const seen: string[] = [];
    const listen = (who: string) => (changes: readonly Change<ConfigMap>[]) => {
      for (const { key, before, after } of changes)
        seen.push(`${who} ${key} ${before?.data?.['v'] ?? '-'} ${after?.data?.['v'] ?? '-'}`);
    };
    const put = (name: string, v: string): object =>
      fake.put(CONFIG_MAPS, { metadata: { name, namespace: 'shop' }, data: { v } });
    const wait = async (count: number): Promise<void> => {
      const deadline = Date.now() + 10_000;
      while (seen.length < count && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 10));
    };
    put('a', '1');
    cache.subscribe(listen('one'));
    const end = cache.subscribe(listen('two'));
    expect(cache.hasSynced).toBe(false);
    cache.start();
    await cache.synced;
    expect([cache.hasSynced, cache.size, cache.get('shop/a')?.data]).toEqual([true, 1, { v: '1' }]);
    end();
    put('a', '2');
    await wait(3);
    put('b', '1');
    await wait(4);
    fake.remove(CONFIG_MAPS, { name: 'a', namespace: 'shop' });
    await wait(5);
    expect(seen).toEqual([
      'one shop/a - 1',
      'two shop/a - 1',
      'one shop/a 1 2',
      'one shop/b - 1',
      'one shop/a 2 -',
    ]);
    expect(cache.inNamespace('shop').map(({ metadata }) => metadata.name)).toEqual(['b']);
    expect(cache.inNamespace('other')).toEqual([]);
    await cache.stop();
    await fake.close();
  });
});
