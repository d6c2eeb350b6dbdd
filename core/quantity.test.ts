import { parseQuantity } from './quantity.ts';

describe('a quantity', () => {
  test.each([
    ['0', 0],
    ['128Mi', 134_217_728],
    ['1Gi', 1_073_741_824],
    ['1G', 1e9],
    ['250m', 0.25],
    ['.5', 0.5],
    ['1.5', 1.5],
    ['2.', 2],
    ['1e3', 1000],
    ['1E2', 100],
    ['12e-1', 1.2],
    ['1Ei', 2 ** 60],
  ])('%s is %d', (text, number) => {
    expect(parseQuantity(text)).toBeCloseTo(number, 9);
  });

  test.each([
    '',
    '.',
    'Mi',
    '1 Mi',
    '1mi',
    '1MiB',
    '1MB',
    '+1',
    '-1',
    '1e',
    '1e999',
    '0x10',
    '1_000',
    '1\n',
    'NaN',
    'Infinity',
  ])('%j is none', (text) => {
    expect(parseQuantity(text)).toBeUndefined();
  });
});
