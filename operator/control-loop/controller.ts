import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { WorkQueue } from '#kube/control/work-queue.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { OperatorMetrics } from '../metrics/metrics.ts';
import type { WebhookGracePeriod } from './webhook-grace-period.ts';

/** What makes one controller differ from another. */
export interface ControllerDuty {
  readonly name: string;
  /** Calls `add` with the key of whatever needs a look from now on; returns what ends that. */
  subscribe(add: (key: string) => void): readonly (() => void)[];
  /** Everything that needs a look at the start. */
  keys(): Iterable<string>;
  /** Brings one object into its wanted state. Throwing means: again later. */
  reconcile(key: string, signal: AbortSignal): Promise<Requeue | void>;
}

export interface ControllerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'reconciles' | 'reconcileSeconds'>;
  /** What is only waited for; default: everything that fails is a failure. */
  readonly patience?: WebhookGracePeriod;
}

/** Runs a duty: first a look at everything, then at whatever changes, one object at a time per key, with back-off on failure. */
export class Controller {
  readonly name: string;
  readonly #duty: ControllerDuty;
  readonly #deps: ControllerDeps;
  readonly #queue: WorkQueue;
  #unsubscribe: readonly (() => void)[] | undefined;

  constructor(duty: ControllerDuty, deps: ControllerDeps) {
    this.name = duty.name;
    this.#duty = duty;
    this.#deps = deps;
    this.#queue = new WorkQueue({
      name: duty.name,
      clock: deps.clock,
      log: deps.log,
      reconcile: (key, signal) => this.#reconcile(key, signal),
    });
  }

  /** Objects that wait for their turn. */
  get depth(): number {
    return this.#queue.length;
  }

  start(): void {
    if (this.#unsubscribe) return;
    this.#unsubscribe = this.#duty.subscribe((key) => this.#queue.add(key));
    for (const key of this.#duty.keys()) this.#queue.add(key);
    this.#queue.start();
  }

  /** Resolves when nothing is left to do now. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe ?? []) unsubscribe();
    await this.#queue.stop();
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<Requeue | void> {
    const { metrics, patience } = this.#deps;
    const controller = this.name;
    const end = metrics.reconcileSeconds.startTimer({ controller });
    try {
      const requeue = await this.#duty.reconcile(key, signal);
      metrics.reconciles.inc({ controller, result: 'ok' });
      return requeue;
    } catch (error) {
      metrics.reconciles.inc({ controller, result: 'error' });
      const requeueAfterMs = patience?.waitMs(error);
      if (requeueAfterMs !== undefined) return { requeueAfterMs };
      throw error;
    } finally {
      end();
    }
  }
}
