import type { Intention } from '#core/model/intention.ts';
import { trustDomain } from '#core/spiffe-id.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { silentLog } from '#base/log.ts';
import { INTENTIONS } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import { Controller } from '../../control-loop/controller.ts';
import { FakeEvents } from '../../control-loop/events.fake.ts';
import { createMetrics } from '../../metrics/metrics.ts';
import { StatusWriter } from '../../control-loop/status-writer.ts';
import { IntentionController } from './controller.ts';

describe('the intention controller', () => {
  let fake: FakeApiServer;
  let cache: FakeCache<Intention>;
  let clock: FakeClock;
  let events: FakeEvents;
  let controller: Controller;

  function intention(name: string, more: object = {}, generation = 1): Intention {
    const spec = {
      source: { service: 'web' },
      destination: { service: 'db' },
      action: 'allow' as const,
      ...more,
    };
    const made = fake.put(INTENTIONS, { metadata: { name, namespace: 'shop', uid: name, generation }, spec });
    cache.put(made);
    return made;
  }

  function status(name: string, type: string): string | undefined {
    const found = fake.find(INTENTIONS, { name, namespace: 'shop' })?.status?.conditions;
    return found?.find((condition) => condition.type === type)?.status;
  }

  const writes = (): number => fake.requests.filter(({ method }) => method === 'PATCH').length;

  beforeEach(async () => {
    fake = await FakeApiServer.started();
    cache = new FakeCache();
    clock = new FakeClock();
    events = new FakeEvents();
    const { metrics } = createMetrics();
    const duty = new IntentionController({
      ...{ intentions: cache, events, clock, meshNamespace: 'mesh' },
      scope: { trustDomain: trustDomain('cluster.local'), datacenter: 'dc1' },
      status: new StatusWriter(INTENTIONS, { api: fake.api, clock, metrics }),
    });
    controller = new Controller(duty, { clock, log: silentLog, metrics });
  });

  afterEach(async () => {
    await controller.stop();
    await fake.close();
  });

  test('of two for one edge both say Conflicted, and the one that stays is told when the other goes', async () => {
    intention('one');
    controller.start();
    await controller.idle();
    expect(status('one', 'Conflicted')).toBe('False');
    intention('two', { action: 'deny' });
    await controller.idle();
    expect([status('one', 'Conflicted'), status('two', 'Conflicted')]).toEqual(['True', 'True']);
    expect(events.told.map(({ about, reason }) => [about.metadata.name, reason]).sort()).toEqual([
      ['one', 'SameEdge'],
      ['two', 'SameEdge'],
    ]);
    cache.remove('shop/two');
    await controller.idle();
    expect(status('one', 'Conflicted')).toBe('False');
  });

  test('writes once for a change and never again for nothing', async () => {
    const made = intention('one');
    controller.start();
    await controller.idle();
    expect(writes()).toBe(1);
    // The cache is behind our own write, then catches up; both need no further write.
    cache.put(made);
    await controller.idle();
    cache.put(fake.find(INTENTIONS, { name: 'one', namespace: 'shop' }) ?? made);
    await controller.idle();
    expect(writes()).toBe(1);
  });

  test('an expiry is noticed by time alone, frees the other rule of the edge, and keeps the object', async () => {
    intention('short', { expiresAt: new Date(clock.now() + 60_000).toISOString() });
    intention('long');
    controller.start();
    await controller.idle();
    expect([status('short', 'Expired'), status('long', 'Conflicted')]).toEqual(['False', 'True']);
    await clock.advance(60_000);
    await controller.idle();
    expect([status('short', 'Expired'), status('short', 'Conflicted'), status('long', 'Conflicted')]).toEqual(
      ['True', 'False', 'False'],
    );
  });

  test('a rule that had expired before it was stored says Expired, and leaves the other rule of the edge alone', async () => {
    intention('from-git', { expiresAt: new Date(clock.now() - 60_000).toISOString() });
    intention('long', { action: 'deny' });
    controller.start();
    await controller.idle();
    expect([status('from-git', 'Accepted'), status('from-git', 'Expired')]).toEqual(['True', 'True']);
    expect([status('from-git', 'Conflicted'), status('long', 'Conflicted')]).toEqual(['False', 'False']);
  });

  test('two rules that swap their sources end without a conflict, whatever came in between', async () => {
    const api = { source: { service: 'api' } };
    intention('one');
    intention('two', api);
    controller.start();
    await controller.idle();
    intention('one', api, 2);
    await controller.idle();
    expect([status('one', 'Conflicted'), status('two', 'Conflicted')]).toEqual(['True', 'True']);
    intention('two', {}, 2);
    await controller.idle();
    expect([status('one', 'Conflicted'), status('two', 'Conflicted')]).toEqual(['False', 'False']);
  });

  test('what an older admission let through is marked, and its precedence goes away', async () => {
    intention('one');
    controller.start();
    await controller.idle();
    expect(fake.find(INTENTIONS, { name: 'one', namespace: 'shop' })?.status?.precedence).toBe(9);
    const { status: before } = fake.find(INTENTIONS, { name: 'one', namespace: 'shop' }) ?? {};
    cache.put(
      fake.put(INTENTIONS, {
        metadata: { name: 'one', namespace: 'shop', generation: 2 },
        spec: { source: { service: 'Web' }, destination: { service: 'db' }, action: 'allow' },
        ...(before ? { status: before } : {}),
      }),
    );
    await controller.idle();
    const found = fake.find(INTENTIONS, { name: 'one', namespace: 'shop' });
    expect(status('one', 'Accepted')).toBe('False');
    expect(found?.status).not.toHaveProperty('precedence');
    expect(found?.status?.observedGeneration).toBe(2);
    expect(events.told.at(-1)).toMatchObject({ type: 'Warning', reason: 'Unreadable' });
  });

  test('a failed write is tried again', async () => {
    fake.failNext(500, 1, undefined, ({ method }) => method === 'PATCH');
    intention('one');
    controller.start();
    await controller.idle();
    expect(status('one', 'Accepted')).toBeUndefined();
    await clock.advance(1_000);
    await controller.idle();
    expect(status('one', 'Accepted')).toBe('True');
  });
});
