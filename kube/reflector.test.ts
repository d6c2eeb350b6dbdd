import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';

import type { KubeApi, ListPage } from './api.ts';
import { FakeClock } from './clock.fake.ts';
import { systemClock } from './clock.ts';
import { KubeError } from './errors.ts';
import { FakeApiServer, Refused } from './fake-api.fake.ts';
import type { FakeApiOptions, FakeRequest } from './fake-api.fake.ts';
import { FakeLog } from './log.fake.ts';
import { silentLog } from './log.ts';
import { Reflector } from './reflector.ts';
import type { ReflectorOptions } from './reflector.ts';
import { selfSignedPair } from './serving-cert.fake.ts';
import { PODS } from './types.ts';
import type { Pod } from './types.ts';
import { failure, until } from './until.fake.ts';

let pair: { certPem: string; keyPem: string };
let fake: FakeApiServer;
let reflector: Reflector<Pod>;
/** The keys of each call of `onChange`. */
let calls: string[][];

beforeAll(async () => {
  pair = await selfSignedPair();
});

afterEach(async () => {
  await reflector?.stop();
  await fake?.close();
});

async function started(options: Partial<ReflectorOptions<Pod>> = {}, server?: FakeApiOptions): Promise<void> {
  fake = await FakeApiServer.started(server);
  put('a', 'b');
  watching(options);
  await reflector.synced;
  await until(() => fake.openWatches === 1);
}

function watching(options: Partial<ReflectorOptions<Pod>> = {}): void {
  calls = [];
  reflector = new Reflector<Pod>({
    api: fake.api,
    type: PODS,
    clock: systemClock,
    log: silentLog,
    // Waits are a hundredth of the longest, so that tests do not take theirs.
    random: () => 0.01,
    onChange: (_items, changed) => void calls.push([...changed].sort()),
    ...options,
  });
  reflector.start();
}

function put(...names: string[]): void {
  for (const name of names) fake.put(PODS, { metadata: { name, namespace: 'shop' } });
}

function label(name: string, value: string): void {
  fake.put(PODS, { metadata: { name, namespace: 'shop', labels: { value } } });
}

function remove(name: string): void {
  fake.remove(PODS, { name, namespace: 'shop' });
}

const keys = () => [...reflector.items.keys()].sort();
const ofWatch = (request: FakeRequest) => request.watch;
const ofList = (request: FakeRequest) => !request.watch;
const reads = (match: (request: FakeRequest) => boolean) => fake.requests.filter(match).length;

/** Everything that can happen to a watch, what it counts as, and how it is undone. */
interface Failure {
  readonly name: string;
  readonly reason: string;
  readonly breakIt: () => Promise<void> | void;
  readonly repair?: () => Promise<void> | void;
}

const failures: Failure[] = [
  { name: 'the server closes the stream', reason: 'closed', breakIt: () => fake.closeWatches() },
  { name: 'the connection breaks', reason: 'connection', breakIt: () => fake.breakConnections() },
  { name: '410 comes in the stream', reason: 'gone', breakIt: () => fake.gone() },
  {
    name: '410 answers the opening of a watch',
    reason: 'gone',
    breakIt: () => {
      fake.failNext(410, 1, undefined, ofWatch);
      fake.closeWatches();
    },
  },
  {
    name: '410 and then a failing list',
    reason: 'server-error',
    breakIt: () => {
      fake.failNext(500, 2, undefined, ofList);
      fake.gone();
    },
  },
  {
    name: '429 answers the opening of a watch',
    reason: 'throttled',
    breakIt: () => {
      fake.failNext(429, 2, 0.01, ofWatch);
      fake.closeWatches();
    },
  },
  {
    name: '503 answers the opening of a watch',
    reason: 'server-error',
    breakIt: () => {
      fake.failNext(503, 3, undefined, ofWatch);
      fake.closeWatches();
    },
  },
  {
    name: 'an error of 500 comes in the stream',
    reason: 'server-error',
    breakIt: () =>
      fake.writeToWatches('{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd is sad"}}\n'),
  },
  {
    name: 'the token has expired',
    reason: 'unauthorized',
    breakIt: async () => {
      fake.requiredToken = 'new';
      fake.closeWatches();
      await until(() => (reflector.stats.restarts.unauthorized ?? 0) > 2);
    },
    repair: () => void (fake.token = 'new'),
  },
  {
    name: 'the right to watch is taken away for a while',
    reason: 'forbidden',
    breakIt: async () => {
      fake.intercept = (request) => (request.watch ? new Refused(403, 'Forbidden', 'no') : undefined);
      fake.closeWatches();
      await until(() => (reflector.stats.restarts.forbidden ?? 0) > 2);
    },
    repair: () => void (fake.intercept = undefined),
  },
  {
    name: 'the server is down for a while',
    reason: 'connection',
    breakIt: async () => {
      await fake.stop();
      const before = reflector.stats.restarts.connection ?? 0;
      await until(() => (reflector.stats.restarts.connection ?? 0) > before + 2);
    },
    repair: () => fake.start(),
  },
  {
    name: 'the stream carries no JSON',
    reason: 'connection',
    breakIt: () => fake.writeToWatches('{"type": <html>\n'),
  },
  {
    name: 'the stream carries JSON that is no event',
    reason: 'connection',
    breakIt: () => fake.writeToWatches('{"type":"ADDED","object":17}\nnull\n'),
  },
  {
    name: 'the opening of a watch is answered with a page',
    reason: 'connection',
    breakIt: () => {
      fake.garbleNext('<html>login</html>\n', ofWatch);
      fake.closeWatches();
    },
  },
  {
    name: 'a list is answered with a page',
    reason: 'connection',
    breakIt: () => {
      fake.garbleNext('<html>login</html>', ofList);
      fake.gone();
    },
  },
  {
    name: 'a list is answered with JSON that is no list',
    reason: 'connection',
    breakIt: () => {
      fake.garbleNext('{"items": 3}', ofList);
      fake.gone();
    },
  },
];

describe.each(['HTTP/1.1', 'HTTP/2'])('over %s it holds what the server holds although', (protocol) => {
  test.each(failures)('$name', async ({ reason, breakIt, repair }) => {
    await started({}, protocol === 'HTTP/2' ? { tls: { ...pair, protocol: 'h2' } } : {});
    await breakIt();
    put('c');
    remove('a');
    label('b', 'new');
    await repair?.();
    await until(() => keys().join() === 'shop/b,shop/c');
    await until(() => reflector.items.get('shop/b')!.metadata.labels?.['value'] === 'new');
    expect(Object.keys(reflector.stats.restarts)).toContain(reason);
    expect(new Set(calls.slice(1).flat())).toEqual(new Set(['shop/a', 'shop/b', 'shop/c']));
    await until(() => fake.openWatches === 1);
  });
});

describe('the first list', () => {
  test('comes in pages and is told in one call', async () => {
    fake = await FakeApiServer.started();
    put('a', 'b', 'c', 'd', 'e');
    watching({ pageSize: 2 });
    expect(reflector.hasSynced).toBe(false);
    await reflector.synced;
    expect(calls).toEqual([['shop/a', 'shop/b', 'shop/c', 'shop/d', 'shop/e']]);
    expect(fake.requests.filter(ofList).map(({ query }) => query['limit'])).toEqual(['2', '2', '2']);
  });

  test('is told even when there is nothing', async () => {
    fake = await FakeApiServer.started();
    watching();
    await reflector.synced;
    expect(calls).toEqual([[]]);
    expect(reflector.stats).toMatchObject({ lists: 1, events: 0 });
  });

  test('is tried until it succeeds, in a namespace and with selectors', async () => {
    fake = await FakeApiServer.started();
    fake.failNext(500, 3);
    fake.put(PODS, { metadata: { name: 'x', namespace: 'other', labels: { app: 'web' } } });
    fake.put(PODS, { metadata: { name: 'a', namespace: 'shop', labels: { app: 'web' } } });
    put('b');
    watching({ selection: { namespace: 'shop', labelSelector: 'app=web' } });
    await reflector.synced;
    expect(keys()).toEqual(['shop/a']);
    expect(reflector.stats.restarts).toEqual({ 'server-error': 3 });
  });

  test('whose later pages expire is read again in one go', async () => {
    fake = await FakeApiServer.started();
    put('a', 'b', 'c');
    fake.failNext(410, 1, undefined, ({ query }) => query['continue'] !== undefined);
    watching({ pageSize: 2 });
    await reflector.synced;
    expect(keys()).toHaveLength(3);
    expect(fake.requests.filter(ofList).map(({ query }) => query['limit'])).toEqual(['2', '2', undefined]);
  });
});

describe('what it keeps', () => {
  test('is the object without the record of who wrote which field', async () => {
    fake = await FakeApiServer.started();
    fake.put(PODS, {
      metadata: { name: 'a', namespace: 'shop', managedFields: [{ manager: 'x' }] } as never,
    });
    watching();
    await reflector.synced;
    expect(reflector.items.get('shop/a')!.metadata).not.toHaveProperty('managedFields');
  });

  test('is what `transform` makes of it; an object it cannot read is left out and told in the log', async () => {
    fake = await FakeApiServer.started();
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
    await until(() => (reflector.stats.restarts.connection ?? 0) > 2);
    const { lastSyncAt, watching: open } = reflector.stats;
    expect(keys()).toEqual(['shop/a', 'shop/b']);
    await until(() => (reflector.stats.restarts.connection ?? 0) > 4);
    expect(reflector.lastSyncAt).toBe(lastSyncAt);
    expect(typeof open).toBe('boolean');
  });
});

describe('after an interruption', () => {
  test('it goes on from the last bookmark, without listing again', async () => {
    await started();
    fake.put({ ...PODS, plural: 'others' }, { metadata: { name: 'x', namespace: 'shop' } });
    fake.bookmark();
    const before = reflector.lastSyncAt!;
    await until(() => reflector.lastSyncAt! >= before && fake.openWatches === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    fake.closeWatches();
    await until(() => reads(ofWatch) === 2);
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
    await until(() => calls.length === 2);
    expect(calls).toEqual([['shop/a', 'shop/b'], ['shop/b']]);
  });

  test('it asks for watches of four to eight minutes', async () => {
    await started({ random: () => 0.5 });
    expect(fake.requests.at(-1)?.query['timeoutSeconds']).toBe('360');
  });
});

describe('an onChange that fails', () => {
  test.each(['throws', 'rejects'])('(%s) gets the same keys again with the next change', async (how) => {
    fake = await FakeApiServer.started();
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
    await until(() => fake.openWatches === 1);
    put('b');
    await until(() => calls.length === 2);
    expect(calls).toEqual([['shop/a'], ['shop/a', 'shop/b']]);
  });

  test('gets them again after ten seconds when nothing else changes', async () => {
    fake = await FakeApiServer.started();
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

/** Lets time pass, a millisecond at once, until something holds. */
async function passUntil(clock: FakeClock, condition: () => boolean): Promise<void> {
  const passing = setInterval(() => void clock.advance(1), 5);
  await until(condition).finally(() => clearInterval(passing));
}

describe('a server that is silent', () => {
  test('is left when the watch outlasts its time by half a minute', async () => {
    const clock = new FakeClock();
    await started({ clock, random: () => 0 });
    fake.stall();
    await clock.advance(269_000);
    expect(reflector.stats.restarts).toEqual({});
    fake.resume();
    put('c');
    await clock.advance(1_000);
    await passUntil(clock, () => keys().includes('shop/c'));
    expect(reflector.stats.restarts).toEqual({ silent: 1 });
  });

  test('is left after two and a half minutes when it had sent bookmarks before', async () => {
    const clock = new FakeClock();
    await started({ clock, random: () => 0 });
    fake.bookmark();
    await new Promise((resolve) => setTimeout(resolve, 50));
    fake.stall();
    fake.resume();
    put('c');
    await clock.advance(149_000);
    expect(reflector.stats.restarts).toEqual({});
    await clock.advance(1_000);
    await passUntil(clock, () => keys().includes('shop/c'));
    expect(reflector.stats.restarts).toEqual({ silent: 1 });
  });
});

describe('waiting between attempts', () => {
  /** A server that always refuses. */
  const refusing = (error: Error): KubeApi =>
    ({ list: (): Promise<ListPage<Pod>> => Promise.reject(error) }) as unknown as KubeApi;

  async function waits(error: Error, random: () => number, count: number): Promise<number[]> {
    const clock = new FakeClock();
    const lonely = new Reflector({ api: refusing(error), type: PODS, clock, log: silentLog, random });
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
      await until(() => reflector.stats.restarts.closed === i + 1);
      await clock.advance(30_000);
      await until(() => fake.openWatches === 1);
    }
    fake.closeWatches();
    await until(() => reflector.stats.restarts.closed === 5);
    expect(clock.nextTimerIn).toBeLessThanOrEqual(100);
  });

  test('is told in the log once, not with every attempt', async () => {
    const log = new FakeLog();
    const clock = new FakeClock();
    const error = new KubeError({ status: 500, reason: '', message: 'no' });
    const lonely = new Reflector({ api: refusing(error), type: PODS, clock, log, random: () => 0.5 });
    lonely.start();
    await clock.advance(60_000);
    await lonely.stop();
    expect(lonely.stats.restarts['server-error']).toBeGreaterThan(5);
    expect(log.lines.filter(({ level }) => level === 'warn').length).toBeLessThanOrEqual(2);
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
    await until(() => fake.openWatches === 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls).toHaveLength(told);
  });

  test('works before anything was read', async () => {
    fake = await FakeApiServer.started();
    fake.stall();
    watching();
    await reflector.stop();
    expect(calls).toEqual([]);
    expect(
      await failure(Promise.race([reflector.synced, Promise.reject(new Error('still open'))])),
    ).toBeDefined();
  });
});
