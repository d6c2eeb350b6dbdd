import { MEBIBYTE } from '#core/quantity.ts';

import { memoryForPeers } from './memory-limit.ts';

const GIB = 1_024 * MEBIBYTE;

test('a container with a limit gives peers less than half of it', () => {
  const bytes = memoryForPeers({ constrained: 128 * MEBIBYTE, total: 24 * GIB, processes: 1 });
  expect(bytes / MEBIBYTE).toBeCloseTo(58.9, 1);
});

test('processes that share a container share what peers may fill', () => {
  const limit = { constrained: 256 * MEBIBYTE, total: 24 * GIB };
  const alone = memoryForPeers({ ...limit, processes: 1 });
  expect(memoryForPeers({ ...limit, processes: 2 })).toBe(alone / 2);
});

test.each([
  ['no limit is known', undefined],
  ['there is none', 0],
  ['the limit is beyond what the machine has', 2 ** 63],
])('a fixed amount is given where %s', (_what, constrained) => {
  const bytes = memoryForPeers({ constrained, total: 24 * GIB, processes: 1 });
  expect(bytes / MEBIBYTE).toBeCloseTo(512 * 0.46, 3);
});
