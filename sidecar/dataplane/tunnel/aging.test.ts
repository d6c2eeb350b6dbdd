import { agedMs, nextLookMs } from './aging.ts';

const HOUR = 3_600_000;

test('the last part of a life is a twentieth of it', () => {
  expect(agedMs({ notBefore: 0, notAfter: 20 * HOUR })).toBe(HOUR);
});

test.each<[string, number, number | undefined]>([
  ['a young certificate is looked at when its last part begins', 20 * HOUR, 19 * HOUR],
  ['an old one when half of the last part is over', HOUR, HOUR / 2],
  ['and when half of the rest is', HOUR / 2, HOUR / 4],
  ['between two looks the next one comes when it was to come', HOUR * 0.75, HOUR * 0.25],
  ['at the very end it is too late', 100, undefined],
  ['and afterwards, however long ago it was', 0, undefined],
  ['a process that stood still finds it ended', -5 * HOUR, undefined],
])('%s', (_what, left, look) => {
  expect(nextLookMs(left, HOUR)).toBe(look);
});
