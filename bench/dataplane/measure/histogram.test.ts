import { Histogram } from './histogram.ts';

function of(times: Iterable<number>): Histogram {
  const histogram = new Histogram();
  for (const time of times) histogram.add(time);
  return histogram;
}

test('percentiles are right to within two percent, from microseconds to minutes', () => {
  const histogram = of(Array.from({ length: 10_000 }, (_, index) => (index + 1) * 100));
  expect(histogram.percentile(50) / 500_000).toBeCloseTo(1, 1);
  expect(Math.abs(histogram.percentile(99) / 990_000 - 1)).toBeLessThan(0.02);
  expect(histogram.count).toBe(10_000);
});

test('one slow time among a hundred shows above the 99th percentile only', () => {
  const histogram = of([...Array<number>(99).fill(10), 5_000_000]);
  expect(histogram.percentile(99)).toBeLessThan(11);
  expect(histogram.percentile(99.9)).toBeGreaterThan(4_900_000);
});

test('nothing has no percentile', () => {
  expect(() => new Histogram().percentile(50)).toThrow(RangeError);
});
