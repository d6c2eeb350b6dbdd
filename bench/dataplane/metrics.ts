/** What is wanted of a metric: of its ratio to the best peer, or (memory) of the figure itself. */
export interface Target {
  readonly of: 'ratio' | 'value';
  /** `least` when more is better. */
  readonly bound: 'least' | 'most';
  readonly value: number;
}

/** One figure of the table. */
export interface Metric {
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly target?: Target;
}

const least = (value: number): Target => ({ of: 'ratio', bound: 'least', value });
const most = (value: number): Target => ({ of: 'ratio', bound: 'most', value });
const atMost = (value: number): Target => ({ of: 'value', bound: 'most', value });
const rate = (title: string, target?: Target): Metric => metric(title, '/s', 'more', target);
const bulk = (title: string): Metric => metric(`bulk ${title}`, 'MB/s', 'more', least(1));
const memory = (title: string, target?: Target): Metric => metric(`memory ${title}`, 'MiB', 'less', target);

function metric(title: string, unit: string, better: Metric['better'], target?: Target): Metric {
  return { title, unit, better, ...(target ? { target } : {}) };
}

/** All figures, in the order of the table. */
export const METRICS = {
  'requests-1': rate('requests, 1 connection'),
  'requests-32': rate('requests, 32 connections', least(1.15)),
  'requests-256': rate('requests, 256 connections', least(1.15)),
  'p50-1': metric('p50, 1 connection', 'ms', 'less', most(1.2)),
  'p99-256': metric('p99, 256 connections', 'ms', 'less', most(0.6)),
  'cpu-requests': metric('CPU per 100,000 requests', 's', 'less', most(1.2)),
  'failed-requests': metric('failed requests, kept connections', '', 'less'),
  'open-p50': metric('p50, open loop', 'ms', 'less'),
  'open-p99': metric('p99, open loop', 'ms', 'less', most(0.6)),
  connections: rate('new connections, 16 at once', least(5)),
  'failed-connections': metric('failed, new connections', '', 'less'),
  'cpu-connections': metric('CPU per 10,000 connections', 's', 'less'),
  'bulk-up-1': bulk('to the server, 1 stream'),
  'bulk-up-4': bulk('to the server, 4 streams'),
  'bulk-down-1': bulk('to the client, 1 stream'),
  'bulk-down-4': bulk('to the client, 4 streams'),
  'cpu-bulk': metric('CPU per GB', 's', 'less', most(1.2)),
  'mixed-alone-p99': metric('p99, 400 requests/s alone', 'ms', 'less'),
  'mixed-p99': metric('p99, 400 requests/s beside bulk', 'ms', 'less'),
  'mixed-growth': metric('p99 beside bulk : alone', '', 'less', atMost(2)),
  'mixed-bulk': metric('bulk beside requests', 'MB/s', 'more'),
  'memory-idle': memory('idle', atMost(60)),
  'memory-idle-private': memory('idle, private', atMost(20)),
  'memory-1000': memory('1,000 idle streams', atMost(85)),
  'memory-1000-private': memory('1,000 idle, private'),
  'memory-10000': memory('10,000 idle streams'),
  'memory-10000-private': memory('10,000 idle, private'),
  'memory-bulk': memory('under bulk', atMost(120)),
  'memory-bulk-private': memory('under bulk, private'),
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricId = keyof typeof METRICS;

/** All ids, in the order of the table. */
export const METRIC_IDS = Object.keys(METRICS) as readonly MetricId[];

/** What one turn of one proxy brought. */
export type Figures = Partial<Record<MetricId, number>>;
