import { DataPlaneCounters } from '../admin/metrics/data-plane-counters.ts';
import { processFamilies } from '../process/run-metrics.ts';
import type { FamilyData } from './family-data.ts';
import { GAUGE_RULES, lasting, merge, retire } from './merge.ts';
import { workerFamilies } from './worker-metrics.ts';

type Value = number | Readonly<Record<string, number>>;

/** A family with one number, or with one for each value of the label `x`. */
function family(type: FamilyData['type'], name: string, value: Value): FamilyData {
  const samples =
    typeof value === 'number'
      ? [{ value }]
      : Object.entries(value).map(([x, number]) => ({ labels: { x }, value: number }));
  return { name, type, help: 'h', labels: typeof value === 'number' ? [] : ['x'], samples };
}

function valuesOf(families: readonly FamilyData[]): Value[] {
  return families.map(({ samples }) =>
    samples[0]?.labels === undefined
      ? (samples[0]?.value ?? NaN)
      : Object.fromEntries(samples.map(({ labels = {}, value }) => [labels['x'] ?? '', value])),
  );
}

describe('the numbers of several processes as those of one', () => {
  test.each([
    ['counter', 'mesh_bytes_total', [3, 4], 7],
    [
      'counter',
      'any_total',
      [
        { a: 1, b: 2 },
        { b: 3, c: 4 },
      ],
      { a: 1, b: 5, c: 4 },
    ],
    ['gauge', 'mesh_connections_open', [3, 4], 7],
    ['gauge', 'mesh_tunnels_open', [{ inbound: 1 }, { inbound: 2 }], { inbound: 3 }],
    ['gauge', 'process_resident_memory_bytes', [30, 40, 20], 90],
    ['gauge', 'mesh_ready', [1, 0, 1], 0],
    ['gauge', 'mesh_ready', [1, 1], 1],
    ['gauge', 'mesh_certificate_not_after_seconds', [2_000, 1_000], 1_000],
    ['gauge', 'mesh_last_sync_seconds', [{ intentions: 9 }, { intentions: 7 }], { intentions: 7 }],
    ['gauge', 'process_start_time_seconds', [5, 3, 4], 3],
    ['gauge', 'mesh_policy_version', [1, 8], 8],
  ] as const)('%s %s: %j is %j', (type, name, values, merged) => {
    expect(valuesOf(merge(values.map((value) => [family(type, name, value)])))).toEqual([merged]);
  });

  test('have histograms summed bucket by bucket', () => {
    const histogram = (label: string, counts: readonly number[]): FamilyData => ({
      name: 'h_seconds',
      help: 'h',
      type: 'histogram',
      labels: ['x'],
      samples: [
        { suffix: '_bucket', labels: { x: label, le: '1' }, value: counts[0] ?? 0 },
        { suffix: '_bucket', labels: { x: label, le: '+Inf' }, value: counts[1] ?? 0 },
        { suffix: '_sum', labels: { x: label }, value: counts[2] ?? 0 },
        { suffix: '_count', labels: { x: label }, value: counts[1] ?? 0 },
      ],
    });
    const [merged] = merge([
      [histogram('a', [1, 2, 5])],
      [
        {
          ...histogram('a', [3, 4, 9]),
          samples: [...histogram('a', [3, 4, 9]).samples, ...histogram('b', [1, 1, 1]).samples],
        },
      ],
    ]);
    expect(merged?.samples.map(({ suffix, labels, value }) => [suffix, labels?.['x'], value])).toEqual([
      ['_bucket', 'a', 4],
      ['_bucket', 'a', 6],
      ['_sum', 'a', 14],
      ['_count', 'a', 6],
      ['_bucket', 'b', 1],
      ['_bucket', 'b', 1],
      ['_sum', 'b', 1],
      ['_count', 'b', 1],
    ]);
  });

  test('are those of one where only one has them, in the order in which they come', () => {
    const parts = [[family('gauge', 'b', 1)], [family('gauge', 'a', 2), family('gauge', 'b', 1)]];
    expect(merge(parts).map(({ name }) => name)).toEqual(['b', 'a']);
    expect(merge([])).toEqual([]);
  });

  test('are the same whatever the order of the labels', () => {
    const sample = (labels: Record<string, string>): FamilyData => ({
      ...family('counter', 'c_total', 0),
      samples: [{ labels, value: 1 }],
    });
    expect(merge([[sample({ a: '1', b: '2' })], [sample({ b: '2', a: '1' })]])[0]?.samples).toHaveLength(1);
  });
});

test('every gauge of the sidecar has a rule, and no rule is without its gauge', () => {
  const families = [
    ...new DataPlaneCounters().families(),
    ...processFamilies({} as never),
    ...workerFamilies({ workers: 2, answering: 2, restarts: 0 }),
  ];
  const gauges = families.filter(({ type }) => type === 'gauge').map(({ name }) => name);
  expect([...new Set(gauges)].sort()).toEqual(Object.keys(GAUGE_RULES).sort());
});

describe('what a worker that ended had counted', () => {
  test('stays in the sums; its gauges do not', () => {
    const last = [family('counter', 'c_total', 5), family('gauge', 'mesh_connections_open', 3)];
    const past = retire(retire([], last), last);
    expect(valuesOf(past)).toEqual([10]);
    expect(lasting(last)).toHaveLength(1);
  });

  test('does not fill the memory, however many names it came under', () => {
    const many = (from: number): FamilyData =>
      family(
        'counter',
        'c_total',
        Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`p${from + index}`, 1])),
      );
    let past: readonly FamilyData[] = [];
    for (let life = 0; life < 5; life++) past = retire(past, [many(400 * life)]);
    expect(past[0]?.samples).toHaveLength(501);
    expect(past[0]?.samples.reduce((sum, { value }) => sum + value, 0)).toBe(2_000);
    expect(past[0]?.samples.at(-1)).toEqual({ labels: { x: 'other' }, value: 1_500 });
  });
});
