import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

import { systemClock } from '#base/clock.ts';
import { jsonLog } from '#base/log.ts';
import { MAX_REVIEW_BYTES, answerReview } from '#webhook/answer-review.ts';
import type { WebhookDeps } from '#webhook/answer-review.ts';
import { viewOf } from '#webhook/cluster-view.ts';

import { LimitedLog } from '#base/limited-log.ts';
import { BodyBudget } from '../server/body-budget.ts';
import { HttpsListener } from '../server/https-listener.ts';
import { Asker } from './asker.ts';
import { webhookHandler } from './handler.ts';
import { LOG_LIMITS, REPORT_EVERY_MS, SMALL_BODIES, LARGE_BODIES, WEBHOOK_CONNECTIONS } from './limits.ts';
import type { ToMain, ToThread, WebhookThreadData } from './messages.ts';
import { PathMatch } from './path-match.ts';
import { Tally } from './tally.ts';

/**
 * The webhooks, in a thread of their own: connections, TLS, bodies, reviews. Whatever strangers make of it, signing goes on in
 * the main thread, which answers small questions from its caches and replaces this thread when it dies or hangs.
 */
async function run(port: MessagePort, data: WebhookThreadData): Promise<void> {
  const send = (message: ToMain): void => port.postMessage(message);
  const tally = new Tally();
  const paths = new PathMatch();
  paths.use(data.paths);
  const asker = new Asker({ send: (id, question) => send({ kind: 'question', id, question }) });
  const reviewers = reviewersOf(data, tally, asker);
  const handler = webhookHandler({
    paths,
    answer: (endpoint, body) => answerReview(endpoint, body, reviewers),
    maxBytes: MAX_REVIEW_BYTES,
    budgets: { small: new BodyBudget(SMALL_BODIES), large: new BodyBudget(LARGE_BODIES) },
    counted: (path, status) =>
      tally.count('httpRequests', { server: 'webhooks', path, code: String(status) }),
    refused: (reason) => tally.count('bodiesRefused', { server: 'webhooks', reason }),
  });
  const listener = new HttpsListener(handler, data.pair, {
    limits: WEBHOOK_CONNECTIONS,
    metrics: {
      closed: (reason) => tally.count('connectionsClosed', { server: 'webhooks', reason }),
      open: (count) => tally.open(count),
    },
  });
  const report = (): void => {
    const counts = tally.take();
    if (counts) send({ kind: 'counts', counts });
  };
  const reporting = setInterval(report, REPORT_EVERY_MS);
  port.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'certificate':
        return listener.useCertificate(message.pair);
      case 'paths':
        return paths.use(message.paths);
      case 'facts':
        return asker.answered(message.id, message.facts);
      case 'ping':
        return send({ kind: 'pong' });
      case 'close':
        return void listener.close(message.deadlineMs).then(() => {
          clearInterval(reporting);
          report();
          send({ kind: 'closed' });
        });
    }
  });
  send({ kind: 'listening', port: await listener.listen(data.port, data.host) });
}

function reviewersOf({ injection, logLevel }: WebhookThreadData, tally: Tally, asker: Asker): WebhookDeps {
  const log = new LimitedLog({
    log: jsonLog('mesh-operator', logLevel).child({ part: 'admission' }),
    clock: systemClock,
    limits: LOG_LIMITS,
    onLeftOut: () => tally.count('logLinesLeftOut', { server: 'webhooks' }),
  });
  return {
    lookUp: async (question) => viewOf(await asker.ask(question)),
    injection: () => injection,
    meshNamespace: injection.meshNamespace,
    now: () => systemClock.now(),
    log,
    metrics: {
      injection: (result, reason) => tally.count('injections', { result, reason }),
      validation: (resource, result) => tally.count('validations', { resource, result }),
      duration: (endpoint, seconds) => tally.duration(endpoint, seconds),
    },
  };
}

// Started by itself it does nothing: the image's build does so once, which leaves the compiled code in the cache.
if (!isMainThread && parentPort) await run(parentPort, workerData as WebhookThreadData);
