import { compare } from './comparison.ts';
import { Samples } from './samples.ts';

const PROXIES = [
  { name: 'direct', kind: 'none' },
  { name: 'mesh', kind: 'ours' },
  { name: 'haproxy', kind: 'peer' },
  { name: 'nginx', kind: 'peer' },
] as const;

function samplesOf(figures: Readonly<Record<string, object>>): Samples {
  const samples = new Samples();
  for (const [name, each] of Object.entries(figures)) samples.add(name as 'mesh', each);
  return samples;
}

test('ratios are to the best peer, whichever way is better, and direct is none', () => {
  const rows = compare(
    PROXIES,
    samplesOf({
      direct: { 'requests-32': 900, 'p99-256': 0.1 },
      mesh: { 'requests-32': 240, 'p99-256': 2 },
      haproxy: { 'requests-32': 200, 'p99-256': 5 },
      nginx: { 'requests-32': 100, 'p99-256': 4 },
    }),
  );
  expect(
    rows.map(({ metric, bestPeer, cells }) => [metric, bestPeer, cells.mesh?.ratio, cells.mesh?.met]),
  ).toEqual([
    ['requests-32', 'haproxy', 1.2, true],
    ['p99-256', 'nginx', 0.5, true],
  ]);
});

test('medians of the rounds; a target that is missed', () => {
  const samples = samplesOf({ haproxy: { connections: 100 } });
  for (const connections of [100, 900, 300]) samples.add('mesh', { connections });
  const [row] = compare(PROXIES, samples);
  expect(row?.cells.mesh).toEqual({ median: 300, ratio: 3, met: false, samples: [100, 900, 300] });
});

test('without peers there are no ratios, and memory is judged all the same', () => {
  const rows = compare(PROXIES, samplesOf({ mesh: { 'requests-32': 5, 'memory-idle': 61 } }));
  expect(rows.map(({ cells }) => [cells.mesh?.ratio, cells.mesh?.met])).toEqual([
    [undefined, undefined],
    [undefined, false],
  ]);
});
