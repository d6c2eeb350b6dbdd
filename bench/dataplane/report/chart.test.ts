import { renderChart } from './chart.ts';
import { compare } from './comparison.ts';
import { Samples } from './samples.ts';

const PROXIES = [
  { name: 'mesh', kind: 'ours' },
  { name: 'haproxy', kind: 'peer' },
] as const;

function chart(): string {
  const samples = new Samples();
  samples.add('mesh', { connections: 300, 'p99-256': 2, 'memory-idle': 70 });
  samples.add('haproxy', { connections: 100, 'p99-256': 4, 'memory-idle': 20 });
  return renderChart(PROXIES, compare(PROXIES, samples), 'two cores & <more>');
}

test('a bar for each metric whose target is a ratio, to the right where ours is better', () => {
  const svg = chart();
  expect(svg).toContain('mesh: 3.00 times as good as haproxy');
  expect(svg).toContain('mesh: 2.00 times as good as haproxy');
  expect(svg).not.toContain('memory');
});

test('dark mode has colours of its own, and text is escaped', () => {
  expect(chart()).toContain('prefers-color-scheme: dark');
  expect(chart()).toContain('two cores &amp; &lt;more&gt;');
});
