import { TokenBuckets } from './token-buckets.ts';

describe('token buckets', () => {
  test('give a burst, then so many per second', () => {
    const buckets = new TokenBuckets({ burst: 3, perSecond: 2, maxKeys: 10 });
    expect([0, 0, 0].map((now) => buckets.take('a', now))).toEqual([0, 0, 0]);
    expect(buckets.take('a', 0)).toBe(500);
    expect(buckets.take('a', 250)).toBe(250);
    expect(buckets.take('a', 500)).toBe(0);
    expect(buckets.take('a', 500)).toBe(500);
    expect(buckets.take('b', 500)).toBe(0);
  });

  test('never hold more than a burst, however long the rest, and survive a clock that goes back', () => {
    const buckets = new TokenBuckets({ burst: 2, perSecond: 1, maxKeys: 10 });
    expect(buckets.take('a', 0)).toBe(0);
    expect([1e9, 1e9, 1e9].map((now) => buckets.take('a', now))).toEqual([0, 0, 1000]);
    expect(buckets.take('a', 5)).toBe(1000);
  });

  test('remember no more keys than they may, the busy ones longest', () => {
    const buckets = new TokenBuckets({ burst: 1, perSecond: 0.001, maxKeys: 100 });
    buckets.take('busy', 0);
    for (let index = 0; index < 1000; index += 1) {
      buckets.take(`k${index}`, index);
      expect(buckets.take('busy', index)).toBeGreaterThan(0);
    }
    expect(buckets.size).toBe(100);
  });
});
