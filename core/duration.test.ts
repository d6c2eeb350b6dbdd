import fc from 'fast-check';

import { DURATION_PATTERN, parseDuration } from './duration.ts';

describe('a duration', () => {
  test.each([
    ['1s', 1_000],
    ['90m', 5_400_000],
    ['24h', 86_400_000],
    ['1h30m', 5_400_000],
    ['1h1m1s', 3_661_000],
    ['0h5m', 300_000],
    ['8760h', 31_536_000_000],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each([
    '',
    '0s',
    '0h0m0s',
    '1',
    '1d',
    'h',
    '1m1h',
    '-1s',
    '1.5h',
    '1 h',
    '1h ',
    '1h\n',
    '9'.repeat(30) + 'h',
    '١h',
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('is what its parts add up to', () => {
    fc.assert(
      fc.property(fc.nat(9999), fc.nat(9999), fc.integer({ min: 1, max: 9999 }), (h, m, s) => {
        expect(parseDuration(`${h}h${m}m${s}s`)).toBe(((h * 60 + m) * 60 + s) * 1000);
      }),
    );
  });

  test('that can be read is one that the CustomResourceDefinition lets through', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9hms]{0,12}$/), (text) => {
        if (parseDuration(text) !== undefined) expect(text).toMatch(new RegExp(DURATION_PATTERN));
      }),
    );
  });
});
