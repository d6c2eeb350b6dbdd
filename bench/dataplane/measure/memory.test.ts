import { largest, memoryOf, parseMemory } from './memory.ts';

const ROLLUP = `55d0-7ffc ---p 00000000 00:00 0    [rollup]
Rss:               51200 kB
Pss:               20000 kB
Private_Clean:      1024 kB
Private_Dirty:      9216 kB
`;

test('resident and private memory in MiB', () => {
  expect(parseMemory(ROLLUP)).toEqual({ resident: 50, private: 10 });
});

test('a kernel without the fields is named', () => {
  expect(() => parseMemory('Rss: 1 kB\n')).toThrow('Private_Clean');
});

test('the largest, field by field', () => {
  expect(
    largest([
      { resident: 2, private: 1 },
      { resident: 1, private: 3 },
    ]),
  ).toEqual({ resident: 2, private: 3 });
});

test('this process has more memory than is its own', () => {
  const { resident, private: own } = memoryOf(process.pid);
  expect(resident).toBeGreaterThan(own);
});
