import fc from 'fast-check';

import { renewAt, retryDelay, rootChangeWindow } from './renewal-times.ts';

const unit = fc.double({ min: 0, max: 1, noNaN: true });
const life = fc.integer({ min: 1_000, max: 8760 * 3_600_000 });

test('a leaf is renewed between 60 and 90 % of the life it had when we got it', () => {
  fc.assert(
    fc.property(life, unit, (ttl, random) => {
      const at = renewAt({ obtainedAt: 1_000_000, notAfter: 1_000_000 + ttl }, random) - 1_000_000;
      expect(at).toBeGreaterThanOrEqual(ttl * 0.6 - 1);
      expect(at).toBeLessThanOrEqual(ttl * 0.9 + 1);
    }),
  );
});

test('retries come often enough to save a leaf that is about to end', () => {
  fc.assert(
    fc.property(life, unit, fc.integer({ min: 1, max: 100 }), (remainingMs, random, failures) => {
      const delay = retryDelay({ failures, remainingMs, random, retryAfterMs: 3_600_000 });
      expect(delay).toBeLessThanOrEqual(Math.max(100, remainingMs / 5));
    }),
  );
});

test('without a leaf, retries slow down to a quarter of a minute and no further', () => {
  const delays = [1, 2, 3, 10, 1_000].map((failures) => retryDelay({ failures, random: 1 }));
  expect(delays).toEqual([250, 500, 1_000, 15_000, 15_000]);
});

test('Retry-After is kept, within two minutes', () => {
  expect(retryDelay({ failures: 1, random: 0, retryAfterMs: 5_000 })).toBe(5_000);
  expect(retryDelay({ failures: 1, random: 0, retryAfterMs: 86_400_000 })).toBe(120_000);
});

test('a change of the root is spread over a minute for long lives, and less for short ones', () => {
  expect(rootChangeWindow(24 * 3_600_000, true)).toBe(60_000);
  expect(rootChangeWindow(10_000, true)).toBe(500);
});

test('where the root was dropped nobody waits', () => {
  expect(rootChangeWindow(24 * 3_600_000, false)).toBe(1_000);
  expect(rootChangeWindow(10_000, false)).toBe(500);
});
