import { eventually } from '#base/testing/eventually.ts';
import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import type { ClusterFacts, ClusterQuestion } from '#webhook/cluster-view.ts';
import { createMetrics } from '../metrics/metrics.ts';
import type { ServingPair } from '../server/serving-certificate.ts';
import { WebhookThread } from './webhook-thread.ts';

/** How long what is waited for may take here. */
const IN_TIME = { withinMs: 30_000 };

const PAIR: ServingPair = { certChainPem: 'chain', keyPem: 'key', notBefore: 0, notAfter: 1 };
const PORT = 4_711;

/** A thread that does what it should, but for what it does after it was started for the first time. */
function program(first: string): URL {
  const source = `
    import { parentPort, workerData } from 'node:worker_threads';
    const isFirst = workerData.port === 0;
    parentPort.on('message', ({ kind, deadlineMs }) => {
      if (kind === 'ping') parentPort.postMessage({ kind: 'pong' });
      if (kind === 'close') parentPort.postMessage({ kind: 'closed' });
      if (kind === 'facts') parentPort.postMessage({
        kind: 'counts',
        counts: { counters: [{ metric: 'bodiesRefused', labels: { server: 'webhooks', reason: 'no-room' }, by: 3 }], durations: [], openConnections: 0 },
      });
    });
    parentPort.postMessage({ kind: 'listening', port: ${PORT} });
    if (isFirst) setTimeout(() => { ${first} }, 20);`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

let log: FakeLog;
let metrics: ReturnType<typeof createMetrics>['metrics'];
let questions: ClusterQuestion[];
let thread: WebhookThread;
function start(first: string): void {
  log = new FakeLog();
  ({ metrics } = createMetrics());
  questions = [];
  thread = new WebhookThread(
    { port: 0, injection: {} as never, logLevel: 'silent' },
    {
      ...{ entry: program(first), clock: systemClock, log, metrics },
      facts: (question) => {
        questions.push(question);
        return {} as ClusterFacts;
      },
    },
  );
  thread.start(PAIR);
}
afterEach(() => thread.close(1_000));

const restarts = async (reason: string): Promise<number> =>
  (await metrics.webhookThreadRestarts.get()).values.find(({ labels }) => labels.reason === reason)?.value ??
  0;

test.each([
  ['ends', 'process.exit(3)', 'exit'],
  ['throws', 'throw new Error("broken")', 'exit'],
  ['fills its heap', 'const all = []; for (;;) all.push(new Array(1_000_000).fill(all.length));', 'exit'],
  ['hangs', 'for (;;);', 'hung'],
])(
  'a thread that %s is started again at the port it had, and counted; the process goes on',
  async (_what, first, reason) => {
    start(first);
    await eventually(async () => (await restarts(reason)) === 1, IN_TIME);
    await eventually(() => thread.fault() === undefined, IN_TIME);
    expect(thread.port).toBe(PORT);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await restarts(reason)).toBe(1);
    expect(log.lines).toContainEqual(
      expect.objectContaining({ message: 'the thread of the webhooks ended and is started again' }),
    );
  },
);

test('a replica is not ready before its thread listens', async () => {
  start('');
  expect(thread.fault()).toBe('the thread of the webhooks does not listen');
  await eventually(() => thread.fault() === undefined, IN_TIME);
});

test('what the thread asks is answered, and what it counts is in the metrics', async () => {
  start(`parentPort.postMessage({ kind: 'question', id: 1, question: { namespace: 'shop' } })`);
  const refused = async (): Promise<unknown> =>
    (await metrics.bodiesRefused.get()).values.find(({ labels }) => labels.server === 'webhooks')?.value;
  await eventually(async () => (await refused()) === 3, IN_TIME);
  expect(questions).toEqual([{ namespace: 'shop' }]);
});
