import { parseProcessorSeconds, processTree, processorSeconds } from './processor-time.ts';

test('user and system time are added, those of ended children too, whatever the program is called', () => {
  const stat = '7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 120 30 40 10 20 0 1 0 5 0 0';
  expect(parseProcessorSeconds(stat)).toBe(2);
});

test('what is not a line of stat is refused', () => {
  expect(() => parseProcessorSeconds('nonsense')).toThrow('/proc/PID/stat');
});

test('this process has used some time, and is the root of its tree', () => {
  expect(processorSeconds([process.pid])).toBeGreaterThan(0);
  expect(processTree(process.pid)[0]).toBe(process.pid);
});
