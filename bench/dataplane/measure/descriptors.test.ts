import { descriptorLimit } from './descriptors.ts';

test('both limits, with or without a number', () => {
  const text =
    'Max processes             96000   96000   processes\nMax open files            1024    20000   files\n';
  expect(descriptorLimit(text)).toEqual({ soft: 1024, hard: 20_000 });
  expect(descriptorLimit('Max open files  1024  unlimited  files').hard).toBe(Infinity);
});
