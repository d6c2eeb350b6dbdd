import { PATTERN, PatternCheck } from './pattern.ts';

const twice = Buffer.concat([PATTERN, PATTERN, PATTERN.subarray(0, 1000)]);

test('the pattern in chunks of any size is counted and faultless', () => {
  const check = new PatternCheck();
  for (let at = 0; at < twice.length; at += 65_521) check.take(twice.subarray(at, at + 65_521));
  expect(check).toMatchObject({ received: twice.length, faults: 0 });
});

test('a byte that is missing shows in every chunk after it', () => {
  const check = new PatternCheck();
  check.take(twice.subarray(0, 5000));
  check.take(twice.subarray(5001, 9000));
  check.take(twice.subarray(9000, 12_000));
  expect(check.faults).toBe(2);
});
