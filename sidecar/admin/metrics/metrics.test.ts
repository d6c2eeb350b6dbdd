import { DataPlaneCounters } from './data-plane-counters.ts';
import { exposition } from './exposition.ts';
import { totalsOf } from './totals.ts';
import { processFamilies } from '../../process/run-metrics.ts';
import { Counter, Histogram, byLabel, gauge } from './instruments.ts';

test('families are written with help, type and labels, escaped', () => {
  const counter = new Counter({ name: 'a_total', help: 'first\nsecond \\' });
  counter.add({ peer: 'spiffe://x/"y"\n' }, 2);
  counter.add({ peer: 'spiffe://x/"y"\n' });
  expect(
    exposition([counter, gauge('g', 'a gauge', () => 1.5), gauge('none', 'nothing', () => undefined)]),
  ).toBe(
    [
      '# HELP a_total first\\nsecond \\\\',
      '# TYPE a_total counter',
      'a_total{peer="spiffe://x/\\"y\\"\\n"} 3',
      '# HELP g a gauge',
      '# TYPE g gauge',
      'g 1.5',
      '',
    ].join('\n'),
  );
});

test('a histogram counts cumulatively', () => {
  const histogram = new Histogram({ name: 'h_seconds', help: 'h' }, [0.1, 1]);
  for (const value of [0.05, 0.5, 0.5, 7]) histogram.observe(value, { direction: 'inbound' });
  expect(exposition([histogram])).toContain(
    [
      'h_seconds_bucket{direction="inbound",le="0.1"} 1',
      'h_seconds_bucket{direction="inbound",le="1"} 3',
      'h_seconds_bucket{direction="inbound",le="+Inf"} 4',
      'h_seconds_sum{direction="inbound"} 8.05',
      'h_seconds_count{direction="inbound"} 4',
    ].join('\n'),
  );
});

test('a family that fails is left out, and the others are served', () => {
  const broken = gauge('broken', 'x', () => {
    throw new Error('no');
  });
  expect(exposition([broken, gauge('good', 'x', () => 1)])).toContain('good 1');
});

test('ever new label values do not fill the memory', () => {
  const counter = new Counter({ name: 'c_total', help: 'c' });
  for (let index = 0; index < 5_000; index++) counter.add({ peer: `spiffe://x/${index}` });
  const lines = exposition([counter])
    .split('\n')
    .filter((line) => line.startsWith('c_total{'));
  expect(lines.length).toBeLessThanOrEqual(501);
  expect(lines.at(-1)).toBe('c_total{peer="other"} 4500');
});

test('beyond so many peers only the peer is folded: the other labels stay true', () => {
  const counter = new Counter({ name: 'c_total', help: 'c', labels: ['direction', 'peer'] });
  for (let index = 0; index < 1_000; index++) {
    const peer = `spiffe://x/${index}`;
    counter.add({ direction: index % 2 === 0 ? 'inbound' : 'outbound', peer });
  }
  const text = exposition([totalsOf(counter)]);
  expect(text).toContain('c_total{direction="inbound"} 500');
  expect(text).toContain('c_total{direction="outbound"} 500');
});

test('a long identity takes a bounded part of a label', () => {
  const counters = new DataPlaneCounters();
  const peer = `spiffe://partner.example/${'x'.repeat(2_000)}`;
  counters.connectionOpened({ direction: 'inbound', security: 'mtls', peer });
  const line = exposition(counters.families())
    .split('\n')
    .find((one) => one.includes('peer='));
  expect(line?.length).toBeLessThan(400);
});

test('totals say nothing about who the peers are, and lose no count', () => {
  const counters = new DataPlaneCounters();
  for (const name of ['web', 'api', 'web']) {
    const labels = { direction: 'inbound', security: 'mtls', peer: `spiffe://x/${name}` } as const;
    counters.connectionOpened(labels);
    counters.connectionClosed({ ...labels, end: 'cut', durationMs: 5, bytesToServer: 10, bytesToClient: 20 });
  }
  const text = exposition(counters.families().map(totalsOf));
  expect(text).not.toContain('spiffe');
  expect(text).toContain('mesh_connections_opened_total{direction="inbound",security="mtls"} 3');
  expect(text).toContain('mesh_bytes_total{direction="inbound",security="mtls",flow="sent"} 60');
});

test('the only label with values that peers choose is that of the peer', () => {
  const labels = [...new DataPlaneCounters().families(), ...processFamilies({} as never)].flatMap(
    (one) => one.labels,
  );
  expect([...new Set(labels)].sort()).toEqual([
    'attempts',
    'code',
    'direction',
    'end',
    'flow',
    'limit',
    'peer',
    'phase',
    'port',
    'reason',
    'resource',
    'security',
    'use',
    'what',
  ]);
});

test('the data path is counted, and what is open comes down again', () => {
  const counters = new DataPlaneCounters();
  const labels = { direction: 'inbound', security: 'mtls', peer: 'spiffe://x/web' } as const;
  counters.connectionOpened(labels);
  counters.connectionOpened(labels);
  counters.connectionClosed({ ...labels, end: 'cut', durationMs: 5, bytesToServer: 10, bytesToClient: 20 });
  counters.connectionRefused('inbound', 'denied');
  counters.dialed(12, 2);
  const text = exposition([
    ...counters.families(),
    byLabel({ name: 'l', help: 'l', type: 'gauge', label: 'x' }, () => [['a', 1]]),
  ]);
  expect(text).toContain('mesh_connections_open{direction="inbound",security="mtls"} 1');
  expect(text).toContain('mesh_connections_refused_total{direction="inbound",reason="denied"} 1');
  expect(text).toContain(
    'mesh_bytes_total{direction="inbound",security="mtls",peer="spiffe://x/web",flow="received"} 10',
  );
  expect(text).toContain('mesh_dial_seconds_count{attempts="several"} 1');
  expect(text).toContain('l{x="a"} 1');
});
