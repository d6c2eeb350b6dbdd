import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import { missingOfAll } from './missing.ts';
import type { ToWorker } from './messages.ts';
import type { WorkerEvents, WorkerProcess } from './worker-process.ts';
import { Workers } from './workers.ts';

/** A process that does nothing but remember what it was told. */
class FakeWorker implements WorkerProcess {
  readonly told: ToWorker[] = [];
  readonly killed: string[] = [];
  readonly env: Readonly<Record<string, string>>;
  readonly events: WorkerEvents;
  readonly pid = 1;

  constructor(env: Readonly<Record<string, string>>, events: WorkerEvents) {
    this.env = env;
    this.events = events;
  }

  send(message: ToWorker): void {
    this.told.push(message);
  }

  kill(signal: string): void {
    this.killed.push(signal);
    this.events.onExit({ code: null, signal });
  }

  dies(code = 1): void {
    this.events.onExit({ code, signal: null });
  }

  /** Answers what it was asked last. */
  answers(value: unknown): void {
    const ask = this.told.findLast((message) => message.kind === 'ask');
    if (ask?.kind === 'ask') this.events.onMessage({ kind: 'answer', id: ask.id, value });
  }
}

async function setUp(count = 2) {
  const clock = new FakeClock();
  const log = new FakeLog();
  const forked: FakeWorker[] = [];
  const finished: string[] = [];
  const state = { level: 'info' as 'info' | 'debug' };
  const workers = new Workers({
    count,
    clock,
    log,
    fork: (env, events) => {
      const worker = new FakeWorker(env, events);
      forked.push(worker);
      return worker;
    },
    logLevel: () => state.level,
    onFinish: () => finished.push('finish'),
  });
  const started = workers.start();
  return { clock, log, forked, finished, state, workers, started };
}

async function started(count = 2) {
  const world = await setUp(count);
  for (const worker of world.forked) worker.events.onMessage({ kind: 'started' });
  await world.started;
  return world;
}

test('a worker that dies again and again is started after ever longer waits, up to ten seconds', async () => {
  const { clock, forked } = await started();
  const waits: number[] = [];
  for (let death = 0; death < 9; death++) {
    const from = clock.now();
    const count = forked.length;
    (death === 0 ? forked[0] : forked.at(-1))?.dies();
    while (forked.length === count) await clock.advance(100);
    waits.push(clock.now() - from);
  }
  expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  expect(new Set(forked.slice(2).map(({ env }) => env['MESH_WORKER']))).toEqual(new Set(['1']));
});

test('one that ran for a minute is started again at once', async () => {
  const { clock, forked } = await started();
  forked[0]?.dies();
  await clock.advance(100);
  forked[2]?.dies();
  await clock.advance(200);
  await clock.advance(60_000);
  forked[3]?.dies();
  await clock.advance(100);
  expect(forked).toHaveLength(5);
});

test('one that ends before any was up is the end of the start', async () => {
  const { forked, started: start } = await setUp();
  forked[1]?.dies(1);
  await expect(start).rejects.toThrow('worker 2 ended with code 1 before any worker was up');
});

test('a worker that is started again logs from the level that was set meanwhile', async () => {
  const { clock, forked, state, workers } = await started();
  state.level = 'debug';
  workers.tellLevel('debug');
  expect(forked.map(({ told }) => told.at(-1))).toEqual(Array(2).fill({ kind: 'log-level', level: 'debug' }));
  forked[0]?.dies();
  await clock.advance(100);
  expect(forked[2]?.env).toEqual({ MESH_WORKER: '1', MESH_LOG_LEVEL: 'debug' });
});

test('who does not answer within a second is silent, who is being replaced is gone, and nonsense is no answer', async () => {
  const { clock, forked, workers } = await started(4);
  forked[3]?.dies();
  const asked = workers.askAll<'readiness'>({ subject: 'readiness' });
  forked[0]?.answers([]);
  forked[1]?.answers({ nothing: true });
  await clock.advance(1_000);
  expect(await asked).toEqual(
    new Map<number, unknown>([
      [1, { answer: [] }],
      [2, 'silent'],
      [3, 'silent'],
      [4, 'gone'],
    ]),
  );
});

test('a worker that dies while it is asked is not waited for', async () => {
  const { forked, workers } = await started();
  const asked = workers.askAll<'readiness'>({ subject: 'readiness' });
  forked[0]?.answers([]);
  forked[1]?.dies();
  expect((await asked).get(2)).toBe('silent');
});

test('all are told to stop with the same times, and learn when the last hook is done', async () => {
  const { clock, forked, workers } = await started();
  let busy = true;
  let done = false;
  const times = { minimumMs: 0, deadlineMs: 25_000 };
  void workers.stop(times, () => busy).then(() => (done = true));
  expect(forked.map(({ told }) => told)).toEqual(Array(2).fill([{ kind: 'stop', busy: true, ...times }]));
  await clock.advance(1_000);
  busy = false;
  await clock.advance(100);
  expect(forked.map(({ told }) => told.at(-1))).toEqual(Array(2).fill({ kind: 'busy', busy: false }));
  forked[0]?.dies(0);
  await clock.advance(1_000);
  expect(done).toBe(false);
  forked[1]?.dies(0);
  await clock.advance(100);
  expect(done).toBe(true);
  await clock.advance(60_000);
  expect(forked).toHaveLength(2);
});

test('one that does not end in time is killed', async () => {
  const { clock, forked, workers } = await started();
  let done = false;
  void workers.stop({ minimumMs: 0, deadlineMs: 3_000 }, () => false).then(() => (done = true));
  forked[0]?.dies(0);
  await clock.advance(4_900);
  expect(done).toBe(false);
  await clock.advance(300);
  expect(forked[1]?.killed).toEqual(['SIGKILL']);
  expect(done).toBe(true);
});

test('the shutdown starts nobody again who waited for it', async () => {
  const { clock, forked, workers } = await started();
  forked[0]?.dies();
  void workers.stop({ minimumMs: 0, deadlineMs: 3_000 }, () => false);
  await clock.advance(2_000);
  expect(forked).toHaveLength(2);
});

test('what one worker is told by the operator holds for all', async () => {
  const { forked, finished } = await started();
  forked[1]?.events.onMessage({ kind: 'finish' });
  expect(finished).toEqual(['finish']);
});

describe('what is missing', () => {
  test.each([
    [[{ answer: [] }, { answer: [] }], []],
    [[{ answer: ['policy'] }, { answer: ['policy'] }], ['policy']],
    [
      [{ answer: ['policy', 'catalog'] }, { answer: ['catalog'] }],
      ['policy (worker 1)', 'catalog'],
    ],
    [[{ answer: ['policy'] }, { answer: [] }, { answer: ['policy'] }], ['policy (workers 1 and 3)']],
    [[{ answer: [] }, 'silent' as const], ['an answer (worker 2)']],
    [['gone' as const, { answer: [] }], ['a process that ended and is started again (worker 1)']],
  ])('%j is told as %j', (said, missing) => {
    expect(missingOfAll(new Map(said.map((one, index) => [index + 1, one])))).toEqual(missing);
  });
});
