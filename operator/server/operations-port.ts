import type { Logger } from '#kube/log.ts';

import { createMetrics } from '../metrics.ts';
import type { OperatorMetrics } from '../metrics.ts';
import { createApp } from './app.ts';
import type { Mount } from './app.ts';
import { Health } from './health.ts';
import { httpListener } from './listener.ts';
import type { Listener } from './listener.ts';
import { healthRoutes, metricsRoute } from './operations.ts';

export interface OperationsPortOptions {
  readonly log: Logger;
  /** Whether memory, CPU and event loop lag of the process are measured. */
  readonly processMetrics: boolean;
  /** Paths that metrics tell apart. */
  readonly paths: readonly string[];
}

/**
 * Health, readiness and metrics in plain HTTP. It is the first to open and the last to close: a process that waits for its API server is
 * alive, and killing it for that would only make the wait longer.
 */
export class OperationsPort {
  readonly metrics: OperatorMetrics;
  /** What must hold for this replica to get requests. */
  readonly ready = new Health();
  /** `/healthz` and `/readyz`, for other ports to offer too. */
  readonly health: Mount;
  readonly #listener: Listener;
  readonly #measures: (() => void)[] = [];

  constructor({ log, processMetrics, paths }: OperationsPortOptions) {
    const { metrics, registry } = createMetrics(processMetrics);
    this.metrics = metrics;
    // Liveness asks only whether this process still answers: nothing that a restart would not mend.
    const live = new Health();
    live.add('process', () => undefined);
    this.health = healthRoutes(live, this.ready);
    const scrape = metricsRoute(registry, () => this.#measures.forEach((measure) => measure()));
    this.#listener = httpListener(
      createApp({ log, metrics, server: 'http', paths, mounts: [this.health, scrape] }),
    );
  }

  /** Sets gauges just before each scrape. */
  onScrape(measure: () => void): void {
    this.#measures.push(measure);
  }

  /** @returns the port it listens on. */
  listen(port: number, host?: string): Promise<number> {
    return this.#listener.listen(port, host);
  }

  close(deadlineMs: number): Promise<void> {
    return this.#listener.close(deadlineMs);
  }
}
