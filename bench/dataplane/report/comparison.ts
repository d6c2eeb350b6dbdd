import { METRICS, METRIC_IDS } from '../metrics.ts';
import type { Metric, MetricId, Target } from '../metrics.ts';
import type { Proxy, ProxyName } from '../proxies/proxy.ts';
import type { Samples } from './samples.ts';

/** One proxy's median of one metric. */
interface Cell {
  readonly median: number;
  /** To the best peer; absent for the best peer's metric without peers. */
  readonly ratio?: number;
  /** Whether the target is reached; only for ours. */
  readonly met?: boolean;
  readonly samples: readonly number[];
}

/** One metric of all proxies. */
export interface Row {
  readonly metric: MetricId;
  readonly title: string;
  readonly unit: string;
  readonly better: Metric['better'];
  readonly target?: Target;
  readonly bestPeer?: ProxyName;
  readonly cells: Partial<Record<ProxyName, Cell>>;
}

/** Medians, and their ratios to the best peer of this same run. Metrics nobody has are left out. */
export function compare(proxies: readonly Pick<Proxy, 'name' | 'kind'>[], samples: Samples): readonly Row[] {
  return METRIC_IDS.flatMap((metric) => {
    const measured = proxies.filter(({ name }) => samples.median(name, metric) !== undefined);
    return measured.length === 0 ? [] : [rowOf(metric, measured, samples)];
  });
}

function rowOf(metric: MetricId, proxies: readonly Pick<Proxy, 'name' | 'kind'>[], samples: Samples): Row {
  const { title, unit, better, target }: Metric = METRICS[metric];
  const value = (name: ProxyName): number => samples.median(name, metric) ?? NaN;
  const sign = better === 'more' ? -1 : 1;
  const peers = proxies.filter(({ kind }) => kind === 'peer').map(({ name }) => name);
  const [bestPeer] = [...peers].sort((a, b) => sign * (value(a) - value(b)));
  const best = bestPeer === undefined ? undefined : value(bestPeer);
  const cell = ({ name, kind }: Pick<Proxy, 'name' | 'kind'>): Cell => {
    const ratio = best === undefined || best === 0 ? undefined : value(name) / best;
    const met = kind === 'ours' && target ? isMet(target, value(name), ratio) : undefined;
    return {
      median: value(name),
      ...(ratio === undefined ? {} : { ratio }),
      ...(met === undefined ? {} : { met }),
      samples: samples.of(name, metric),
    };
  };
  return {
    metric,
    title,
    unit,
    better,
    ...(target ? { target } : {}),
    ...(bestPeer === undefined ? {} : { bestPeer }),
    cells: Object.fromEntries(proxies.map((proxy) => [proxy.name, cell(proxy)])),
  };
}

function isMet({ of, bound, value }: Target, median: number, ratio: number | undefined): boolean | undefined {
  const figure = of === 'value' ? median : ratio;
  if (figure === undefined) return undefined;
  return bound === 'least' ? figure >= value : figure <= value;
}
