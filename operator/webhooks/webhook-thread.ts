import { Worker } from 'node:worker_threads';

import type { Counter } from 'prom-client';

import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { ClusterFacts, ClusterQuestion } from '#webhook/cluster-view.ts';
import type { InjectionSettings } from '#webhook/review-pod.ts';

import type { OperatorMetrics } from '../metrics/metrics.ts';
import type { ServingPair } from '../server/serving-certificate.ts';
import { HEAP } from './limits.ts';
import type { ThreadCounts, ToMain, ToThread, WebhookThreadData } from './messages.ts';
import type { WebhookPath } from './registered-paths.ts';

export interface WebhookThreadOptions {
  readonly port: number;
  readonly host?: string;
  readonly injection: InjectionSettings;
  readonly logLevel: WebhookThreadData['logLevel'];
}

export interface WebhookThreadDeps {
  /** The thread's program. */
  readonly entry: URL;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: OperatorMetrics;
  /** Answers what a review asks, at once. */
  readonly facts: (question: ClusterQuestion) => ClusterFacts;
}

const PING_EVERY_MS = 1_000;
/** Pings without an answer after which the thread hangs. They are counted, not timed: a process that was stopped hangs nobody. */
const MAX_UNANSWERED = 10;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;
/** How long a thread may be replaced before the replica is not ready, milliseconds. */
const GRACE_MS = 10_000;

/**
 * The thread that answers the webhooks. One that ends or hangs is replaced, and what happens in it, its memory included, does not
 * stop the main thread, which signs certificates.
 */
export class WebhookThread {
  readonly #options: WebhookThreadOptions;
  readonly #deps: WebhookThreadDeps;
  #pair: ServingPair | undefined;
  #paths: readonly WebhookPath[] = [];
  #worker: Worker | undefined;
  #port: number | undefined;
  #isListening = false;
  #downSince: number;
  #unanswered = 0;
  #retryMs = FIRST_RETRY_MS;
  #timer: Timer | undefined;
  #pinging: NodeJS.Timeout | undefined;
  #onClosed: (() => void) | undefined;

  constructor(options: WebhookThreadOptions, deps: WebhookThreadDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#downSince = deps.clock.now();
  }

  /** The port at which it listens; undefined before it does. */
  get port(): number | undefined {
    return this.#port;
  }

  /** Starts the thread. Nobody waits for it: signing does not depend on it. @param pair see {@link useCertificate} */
  start(pair: ServingPair): void {
    this.#pair = pair;
    this.#spawn();
    this.#pinging = setInterval(() => this.#ping(), PING_EVERY_MS).unref();
  }

  /** New connections see the new certificate; open ones go on. */
  useCertificate(pair: ServingPair): void {
    this.#pair = pair;
    this.#send({ kind: 'certificate', pair: sendable(pair) });
  }

  /** The paths at which the API server may call. */
  usePaths(paths: readonly WebhookPath[]): void {
    this.#paths = paths;
    this.#send({ kind: 'paths', paths });
  }

  /** What is wrong with it, as a sentence; undefined when nothing is, or not for long. */
  fault(): string | undefined {
    if (this.#isListening) return undefined;
    const isNew = this.#port === undefined;
    return isNew || this.#deps.clock.now() - this.#downSince > GRACE_MS
      ? 'the thread of the webhooks does not listen'
      : undefined;
  }

  /** Takes no more, lets what is under way end, and cuts it after `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    this.#timer?.cancel();
    clearInterval(this.#pinging);
    const worker = this.#worker;
    if (!worker) return;
    if (this.#isListening) {
      let late: Timer | undefined;
      await new Promise<void>((resolve) => {
        this.#onClosed = resolve;
        late = this.#deps.clock.setTimeout(resolve, deadlineMs + PING_EVERY_MS);
        this.#send({ kind: 'close', deadlineMs });
      });
      late?.cancel();
    }
    this.#worker = undefined;
    await worker.terminate();
  }

  #spawn(): void {
    const { entry, log } = this.#deps;
    const pair = this.#pair;
    if (!pair) return;
    const { port, host, injection, logLevel } = this.#options;
    const workerData: WebhookThreadData = {
      ...{ pair: sendable(pair), paths: this.#paths, port: this.#port ?? port, injection, logLevel },
      ...(host === undefined ? {} : { host }),
    };
    const worker = new Worker(entry, { workerData, resourceLimits: HEAP });
    this.#worker = worker;
    this.#unanswered = 0;
    worker.on('message', (message: ToMain) => {
      if (this.#worker === worker) this.#heard(message);
    });
    worker.on('error', (err: Error) => log.error({ err }, 'the thread of the webhooks failed'));
    worker.once('exit', () => {
      if (this.#worker === worker) this.#ended('exit');
    });
  }

  #heard(message: ToMain): void {
    switch (message.kind) {
      case 'listening':
        this.#port = message.port;
        this.#isListening = true;
        return;
      case 'question':
        return this.#send({ kind: 'facts', id: message.id, facts: this.#deps.facts(message.question) });
      case 'counts':
        return this.#count(message.counts);
      case 'pong':
        this.#unanswered = 0;
        // It has lived for a while.
        this.#retryMs = FIRST_RETRY_MS;
        return;
      case 'closed':
        return this.#onClosed?.();
    }
  }

  #ping(): void {
    if (!this.#isListening) return;
    this.#unanswered += 1;
    if (this.#unanswered <= MAX_UNANSWERED) return this.#send({ kind: 'ping' });
    const worker = this.#worker;
    this.#ended('hung');
    void worker?.terminate();
  }

  #ended(reason: 'exit' | 'hung'): void {
    const { log, metrics, clock } = this.#deps;
    metrics.webhookThreadRestarts.inc({ reason });
    log.error({ reason, retryMs: this.#retryMs }, 'the thread of the webhooks ended and is started again');
    const worker = this.#worker;
    this.#worker = undefined;
    if (this.#isListening) this.#downSince = clock.now();
    this.#isListening = false;
    const wait = this.#retryMs;
    this.#retryMs = Math.min(wait * 2, LONGEST_RETRY_MS);
    const again = (): void => void (this.#timer = clock.setTimeout(() => this.#spawn(), wait));
    // Its port is free only when it is gone.
    if (reason === 'hung') worker?.once('exit', again);
    else again();
  }

  #count({ counters, durations, openConnections }: ThreadCounts): void {
    const { metrics } = this.#deps;
    for (const { metric, labels, by } of counters)
      (metrics[metric] as Counter).inc(labels as Record<string, string>, by);
    for (const { endpoint, seconds } of durations) metrics.admissionSeconds.observe({ endpoint }, seconds);
    metrics.connections.set({ server: 'webhooks' }, openConnections);
  }

  #send(message: ToThread): void {
    this.#worker?.postMessage(message);
  }
}

/** All of a pair, also what is hidden from logs. */
function sendable({ certChainPem, keyPem, notBefore, notAfter }: ServingPair): ServingPair {
  return { certChainPem, keyPem, notBefore, notAfter };
}
