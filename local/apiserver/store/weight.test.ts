import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';

import { weightOf } from './weight.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

test.each<[string, (index: number) => unknown]>([
  ['empty maps', () => ({})],
  ['empty lists', () => []],
  ['numbers', (index) => index],
  ['fractions', (index) => index + 0.5],
  ['short texts', (index) => `t${index}`],
  ['texts beyond Latin', (index) => `${index}${'\u4e16'.repeat(100)}`],
  ['maps of few fields', (index) => ({ name: `n${index}`, image: 'i' })],
  ['maps of unlike fields', (index) => ({ [`k${index}`]: 1, [`l${index}`]: 1 })],
])('the estimate is no less than what objects of many %s take, and not ten times of it', (_what, item) => {
  const text = JSON.stringify(Array.from({ length: 1_000 }, (_, index) => item(index)));
  collect();
  const before = process.memoryUsage().heapUsed;
  const values = Array.from({ length: 100 }, () => JSON.parse(text) as unknown);
  collect();
  const held = process.memoryUsage().heapUsed - before;
  const estimate = values.reduce((sum: number, value) => sum + weightOf(value), 0);
  expect(estimate / held).toBeGreaterThan(0.9);
  expect(estimate / held).toBeLessThan(10);
});

test('the estimate is no less than what a map of many fields takes', () => {
  const text = JSON.stringify(
    Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, 1])),
  );
  collect();
  const before = process.memoryUsage().heapUsed;
  const values = Array.from({ length: 10 }, () => JSON.parse(text) as unknown);
  collect();
  const held = process.memoryUsage().heapUsed - before;
  const estimate = values.reduce((sum: number, value) => sum + weightOf(value), 0);
  expect(estimate / held).toBeGreaterThan(0.9);
});
