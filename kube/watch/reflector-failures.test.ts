import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';

import { FakeClock } from '#base/testing/clock.fake.ts';
import { Refused } from '../testing/fake-api.fake.ts';
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
  remove,
  serving,
  started,
  watching,
} from '../testing/reflector-bench.fake.ts';
import { selfSignedPair } from '#base/testing/serving-cert.fake.ts';
import { TcpProxy } from '#base/testing/tcp-proxy.fake.ts';
import { eventually } from '#base/testing/eventually.ts';

let pair: { certPem: string; keyPem: string };

beforeAll(async () => {
  pair = await selfSignedPair();
});

afterEach(ended);

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
      await eventually(() => (reflector.stats.restarts.unauthorized ?? 0) > 2);
    },
    repair: () => void (fake.token = 'new'),
  },
  {
    name: 'the right to watch is taken away for a while',
    reason: 'forbidden',
    breakIt: async () => {
      fake.intercept = (request) => (request.watch ? new Refused(403, 'Forbidden', 'no') : undefined);
      fake.closeWatches();
      await eventually(() => (reflector.stats.restarts.forbidden ?? 0) > 2);
    },
    repair: () => void (fake.intercept = undefined),
  },
  {
    name: 'the server is down for a while',
    reason: 'connection',
    breakIt: async () => {
      await fake.stop();
      const before = reflector.stats.restarts.connection ?? 0;
      await eventually(() => (reflector.stats.restarts.connection ?? 0) > before + 2);
    },
    repair: () => fake.start(),
  },
  {
    name: 'the stream carries no JSON',
    reason: 'connection',
    breakIt: () => fake.writeToWatches('{"type": <html>\n'),
  },
  {
    name: 'the stream carries JSON that is not an event',
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
    name: 'a list is answered with JSON that is not a list',
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
    await eventually(() => keys().join() === 'shop/b,shop/c');
    await eventually(() => reflector.items.get('shop/b')!.metadata.labels?.['value'] === 'new');
    expect(Object.keys(reflector.stats.restarts)).toContain(reason);
    expect(new Set(calls.slice(1).flat())).toEqual(new Set(['shop/a', 'shop/b', 'shop/c']));
    await eventually(() => fake.openWatches === 1);
  });
});

/** Lets time pass, a millisecond at once, until something holds. */
async function passUntil(clock: FakeClock, condition: () => boolean): Promise<void> {
  const passing = setInterval(() => void clock.advance(1), 5);
  await eventually(condition).finally(() => clearInterval(passing));
}

async function bookmarked(clock: FakeClock): Promise<void> {
  await clock.advance(10);
  fake.bookmark();
  await eventually(() => reflector.lastSyncAt === clock.now());
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
    await bookmarked(clock);
    fake.stall();
    fake.resume();
    put('c');
    await clock.advance(149_000);
    expect(reflector.stats.restarts).toEqual({});
    await clock.advance(1_000);
    await passUntil(clock, () => keys().includes('shop/c'));
    expect(reflector.stats.restarts).toEqual({ silent: 1 });
  });

  test('is not left early because an earlier watch had bookmarks: after its own restart it may send none', async () => {
    const clock = new FakeClock();
    await started({ clock, random: () => 0 });
    await bookmarked(clock);
    fake.closeWatches();
    await passUntil(clock, () => fake.requests.filter(ofWatch).length === 2);
    await clock.advance(230_000);
    expect(reflector.stats.restarts).toEqual({ closed: 1 });
  });
});

test('a peer that vanished without a word is left when it answers no ping, and nothing that happened meanwhile is missed', async () => {
  await serving({ tls: { ...pair, protocol: 'h2' } });
  const wire = await TcpProxy.to(Number(new URL(fake.url).port));
  try {
    put('a', 'b');
    const config = { ...fake.config, server: `https://127.0.0.1:${wire.port}` };
    watching({
      api: fake.client({ config, connectTimeoutMs: 500, ping: { pingEveryMs: 100, pingTimeoutMs: 300 } }),
    });
    await reflector.synced;
    await eventually(() => fake.openWatches === 1);
    wire.freeze();
    put('c');
    remove('a');
    await eventually(() => reflector.stats.restarts.connection === 1);
    expect(keys()).toEqual(['shop/a', 'shop/b']);
    wire.thaw();
    await eventually(() => keys().join() === 'shop/b,shop/c');
  } finally {
    await wire.close();
  }
});
