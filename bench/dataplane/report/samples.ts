import type { Figures, MetricId } from '../metrics.ts';
import { METRIC_IDS } from '../metrics.ts';
import type { ProxyName } from '../proxies/proxy.ts';
import { median } from './statistics.ts';

/** Every figure of every round. */
export class Samples {
  readonly #values = new Map<string, number[]>();

  add(proxy: ProxyName, figures: Figures): void {
    for (const metric of METRIC_IDS) {
      const value = figures[metric];
      if (value === undefined) continue;
      const key = `${proxy} ${metric}`;
      this.#values.set(key, [...(this.#values.get(key) ?? []), value]);
    }
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  of(proxy: ProxyName, metric: MetricId): readonly number[] {
    return this.#values.get(`${proxy} ${metric}`) ?? [];
  }

  /** Undefined when there is nothing to take it of. */
  median(proxy: ProxyName, metric: MetricId): number | undefined {
    const values = this.of(proxy, metric);
    return values.length === 0 ? undefined : median(values);
  }
}
