import { systemClock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import { createMetrics } from '../metrics/metrics.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import { createApp } from './app.ts';
import { Health } from './health.ts';
import { CONNECTIONS, listenerMetrics } from './limits.ts';
import { HttpListener } from './listener.ts';
import { healthRoutes, metricsRoute } from './operations.ts';

export interface OperationsPortOptions {
  readonly log: Logger;
  /** Whether memory, CPU and event loop lag of the process are measured. */
  readonly processMetrics: boolean;
}

/** Paths that metrics tell apart. */
const PATHS = ['/healthz', '/readyz', '/metrics'];

/**
 * Health, readiness and metrics in plain HTTP. It is the first to open and the last to close: a process that waits for its API server is
 * alive, and killing it for that would only make the wait longer.
 */
export class OperationsPort {
  readonly metrics: OperatorMetrics;
  /** What must hold for this replica to get requests. */
  readonly ready = new Health();
  readonly #listener: HttpListener;
  readonly #measures: (() => void)[] = [];

  constructor({ log, processMetrics }: OperationsPortOptions) {
    const { metrics, registry } = createMetrics(processMetrics);
    this.metrics = metrics;
    // Liveness asks only whether this process still answers: nothing that a restart would not mend.
    const live = new Health();
    live.add('process', () => undefined);
    const scrape = metricsRoute(registry, () => this.#measures.forEach((measure) => measure()), systemClock);
    const mounts = [healthRoutes(live, this.ready), scrape];
    this.#listener = new HttpListener(createApp({ log, metrics, server: 'http', paths: PATHS, mounts }), {
      limits: CONNECTIONS.http,
      metrics: listenerMetrics(metrics, 'http'),
    });
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
