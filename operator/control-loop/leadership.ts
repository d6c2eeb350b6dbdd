import type { Controller } from './controller.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';

export interface LeadershipDeps {
  /** Resolves when the caches can be relied on. */
  readonly synced: () => Promise<void>;
  readonly create: () => readonly Controller[];
  readonly metrics: Pick<OperatorMetrics, 'leader' | 'queueDepth'>;
}

/** What the replica with the lease does, from the moment it has it until it is told to end. */
export class Leadership {
  readonly #deps: LeadershipDeps;
  #controllers: readonly Controller[] = [];

  constructor(deps: LeadershipDeps) {
    this.#deps = deps;
  }

  /** Runs the controllers until `term` is aborted. */
  async lead(term: AbortSignal): Promise<void> {
    const { synced, create, metrics } = this.#deps;
    const ended = new Promise<void>((resolve) => {
      if (term.aborted) resolve();
      term.addEventListener('abort', () => resolve(), { once: true });
    });
    metrics.leader.set(1);
    await Promise.race([synced(), ended]);
    if (!term.aborted) {
      this.#controllers = create();
      for (const controller of this.#controllers) controller.start();
    }
    await ended;
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    this.#controllers = [];
    metrics.leader.set(0);
  }

  /** Sets the gauges; called before each scrape. */
  measure(): void {
    for (const { name, depth } of this.#controllers)
      this.#deps.metrics.queueDepth.set({ controller: name }, depth);
  }
}
