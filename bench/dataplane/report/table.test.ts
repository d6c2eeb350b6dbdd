import { compare } from './comparison.ts';
import { figure } from './numbers.ts';
import { Samples } from './samples.ts';
import { renderTable } from './table.ts';

const PROXIES = [
  { name: 'mesh', kind: 'ours' },
  { name: 'haproxy', kind: 'peer' },
] as const;

test('a line for each metric, columns aligned, what was missed said loudly', () => {
  const samples = new Samples();
  samples.add('mesh', { 'requests-32': 12_345.6, 'memory-idle': 70.26 });
  samples.add('haproxy', { 'requests-32': 24_691.2 });
  const lines = renderTable(PROXIES, compare(PROXIES, samples)).split('\n');
  expect(lines.map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
    ' | mesh | haproxy | best peer | mesh : best | target',
    'requests, 32 connections/s | 12,346 | 24,691 | haproxy | 0.50 MISSED | >= 1.15',
    'memory idle, MiB | 70.3 | - | - | MISSED | <= 60 MiB',
  ]);
  expect(lines[1]?.indexOf('12,346')).toBe((lines[0]?.indexOf('mesh') ?? 0) - 2);
});

test('figures have three digits that mean something', () => {
  expect([0.012345, 1.2345, 99.95, 123.4, 98765.4].map(figure)).toEqual([
    '0.0123',
    '1.23',
    '100',
    '123',
    '98,765',
  ]);
});
