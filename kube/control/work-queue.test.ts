import { describe, expect, test } from '@jest/globals';

import { FakeClock, settle } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { WorkQueue } from './work-queue.ts';
import type { Requeue, WorkQueueOptions } from './work-queue.ts';

/** A queue whose work ends when told. */
class Bench {
  readonly clock = new FakeClock();
  readonly log = new FakeLog();
  readonly begun: string[] = [];
  readonly running = new Map<
    string,
    { resolve: (requeue?: Requeue) => void; reject: (error: Error) => void }
  >();
  mostAtOnce = 0;
  readonly queue: WorkQueue;

  constructor(options: Partial<WorkQueueOptions> = {}) {
    this.queue = new WorkQueue({
      name: 'test',
      clock: this.clock,
      log: this.log,
      random: () => 0.99999999,
      reconcile: (key) => this.#work(key),
      ...options,
    });
    this.queue.start();
  }

  async end(key: string, requeue?: Requeue): Promise<void> {
    this.running.get(key)?.resolve(requeue);
    await settle();
  }

  async fail(key: string): Promise<void> {
    this.running.get(key)?.reject(new Error('no'));
    await settle();
  }

  async add(...keys: string[]): Promise<void> {
    for (const key of keys) this.queue.add(key);
    await settle();
  }

  async #work(key: string): Promise<Requeue | void> {
    this.begun.push(key);
    if (this.running.has(key)) throw new Error(`${key} is worked on twice at once`);
    try {
      return await new Promise((resolve, reject) => {
        this.running.set(key, { resolve, reject });
        this.mostAtOnce = Math.max(this.mostAtOnce, this.running.size);
      });
    } finally {
      this.running.delete(key);
    }
  }
}

describe('a key', () => {
  test('that is added several times before its turn is worked on once', async () => {
    const bench = new Bench({ concurrency: 1 });
    await bench.add('busy', 'a', 'a', 'a');
    await bench.end('busy');
    await bench.end('a');
    expect(bench.begun).toEqual(['busy', 'a']);
  });

  test('that is added while it is worked on gets another turn, not a second worker', async () => {
    const bench = new Bench();
    await bench.add('a');
    await bench.add('a', 'a');
    expect(bench.begun).toEqual(['a']);
    await bench.end('a');
    expect(bench.begun).toEqual(['a', 'a']);
    await bench.end('a');
    expect(bench.begun).toEqual(['a', 'a']);
  });

  test('waits its turn when as many others as allowed are worked on, and none is passed over', async () => {
    const bench = new Bench({ concurrency: 2 });
    await bench.add('a', 'b', 'c', 'd');
    expect(bench.begun).toEqual(['a', 'b']);
    await bench.add('a');
    await bench.end('a');
    expect(bench.begun).toEqual(['a', 'b', 'c']);
    await bench.end('b');
    await bench.end('c');
    expect(bench.begun).toEqual(['a', 'b', 'c', 'd', 'a']);
    expect(bench.mostAtOnce).toBe(2);
  });

  test('that blocks does not block others behind it', async () => {
    const bench = new Bench({ concurrency: 2 });
    await bench.add('a');
    await bench.add('a', 'b');
    expect(bench.begun).toEqual(['a', 'b']);
  });
});

describe('later', () => {
  test('means not before its time, and of several wishes the earliest counts', async () => {
    const bench = new Bench();
    bench.queue.addAfter('a', 5000);
    bench.queue.addAfter('a', 1000);
    bench.queue.addAfter('a', 3000);
    await bench.clock.advance(999);
    expect(bench.begun).toEqual([]);
    await bench.clock.advance(1);
    expect(bench.begun).toEqual(['a']);
    await bench.end('a');
    await bench.clock.advance(60_000);
    expect(bench.begun).toEqual(['a']);
  });

  test('can be asked for by the work itself', async () => {
    const bench = new Bench();
    await bench.add('a');
    await bench.end('a', { requeueAfterMs: 10_000 });
    await bench.clock.advance(9_999);
    expect(bench.begun).toEqual(['a']);
    await bench.clock.advance(1);
    expect(bench.begun).toEqual(['a', 'a']);
  });
});

describe('work that fails', () => {
  test('is tried again, each time later up to a limit, and success forgets that', async () => {
    const bench = new Bench({ baseMs: 100, capMs: 500 });
    await bench.add('a');
    for (const wait of [100, 200, 400, 500, 500]) {
      await bench.fail('a');
      const before = bench.begun.length;
      await bench.clock.advance(wait - 1);
      expect(bench.begun).toHaveLength(before);
      await bench.clock.advance(1);
      expect(bench.begun).toHaveLength(before + 1);
    }
    expect(bench.queue.failing).toBe(1);
    await bench.end('a');
    expect(bench.queue.failing).toBe(0);
    await bench.add('a');
    await bench.fail('a');
    const before = bench.begun.length;
    await bench.clock.advance(100);
    expect(bench.begun).toHaveLength(before + 1);
  });

  test('does not hold back other keys', async () => {
    const bench = new Bench();
    await bench.add('a');
    await bench.fail('a');
    await bench.add('b');
    expect(bench.begun).toEqual(['a', 'b']);
  });

  test('is told with its key and how often it failed', async () => {
    const bench = new Bench();
    await bench.add('shop/web');
    await bench.fail('shop/web');
    expect(bench.log.lines).toMatchObject([
      { level: 'warn', fields: { queue: 'test', key: 'shop/web', failures: 1 } },
    ]);
  });

  test('has its turn at once when the key is added again', async () => {
    const bench = new Bench();
    await bench.add('a');
    await bench.fail('a');
    await bench.add('a');
    expect(bench.begun).toEqual(['a', 'a']);
  });

  test('by throwing at once harms nothing', async () => {
    const bench = new Bench({
      reconcile: () => {
        throw new Error('synchronously');
      },
    });
    await bench.add('a');
    expect(bench.queue.failing).toBe(1);
  });
});

test('keys added before the start are worked on after it', async () => {
  const begun: string[] = [];
  const queue = new WorkQueue({
    name: 'test',
    clock: new FakeClock(),
    log: new FakeLog(),
    reconcile: async (key) => void begun.push(key),
  });
  queue.add('a');
  await settle();
  expect(begun).toEqual([]);
  expect(queue.length).toBe(1);
  queue.start();
  await queue.idle();
  expect(begun).toEqual(['a']);
});

test('stop waits for what runs, tells it, and begins nothing more', async () => {
  let signal: AbortSignal | undefined;
  let end: () => void = () => undefined;
  const begun: string[] = [];
  const queue = new WorkQueue({
    name: 'test',
    clock: new FakeClock(),
    log: new FakeLog(),
    concurrency: 1,
    reconcile: (key, stopping) => {
      begun.push(key);
      signal = stopping;
      return new Promise((resolve) => (end = resolve));
    },
  });
  queue.start();
  queue.add('a');
  queue.add('b');
  queue.addAfter('c', 10);
  await settle();
  let stopped = false;
  const stopping = queue.stop().then(() => (stopped = true));
  await settle();
  expect(signal?.aborted).toBe(true);
  expect(stopped).toBe(false);
  queue.add('d');
  end();
  await stopping;
  await queue.stop();
  expect(begun).toEqual(['a']);
});
