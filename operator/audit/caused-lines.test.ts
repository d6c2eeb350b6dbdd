import { CausedLines } from './caused-lines.ts';

const REASON = 'token-rejected';

/** How many of so many lines are written. */
function written(lines: CausedLines, by: string, count: number, now: number): number {
  let sum = 0;
  for (let index = 0; index < count; index += 1) sum += lines.take({ by, reason: REASON }, now) ? 1 : 0;
  return sum;
}

test('one that asks without end uses up its own share and leaves the others theirs', () => {
  const lines = new CausedLines();
  expect(written(lines, 'flood', 100_000, 0)).toBe(51);
  expect(written(lines, 'other', 10, 0)).toBe(10);
  expect(written(lines, 'flood', 100, 10_000)).toBe(10);
});

test('many together fill no disk, and hide nobody’s first in a minute', () => {
  const lines = new CausedLines();
  let flood = 0;
  for (let caller = 0; caller < 200; caller += 1) flood += written(lines, `flood-${caller}`, 200, 0);
  expect(flood).toBeLessThanOrEqual(1_000 + 200);
  expect(written(lines, 'victim', 5, 0)).toBe(1);
  for (let caller = 0; caller < 200; caller += 1) written(lines, `flood-${caller}`, 200, 60_000);
  expect(written(lines, 'victim', 1, 60_000)).toBe(1);
});

test('the memory for callers is bounded, and so is what they write, however many there are', () => {
  const lines = new CausedLines();
  let sum = 0;
  for (let caller = 0; caller < 50_000; caller += 1) sum += written(lines, `caller-${caller}`, 1, 0);
  expect(sum).toBeLessThanOrEqual(1_000 + 512);
});

test('what is left out is counted by reason until it is said', () => {
  const lines = new CausedLines();
  for (let index = 0; index < 60; index += 1) lines.take({ by: 'a', reason: 'token-rejected' }, 0);
  for (let index = 0; index < 5; index += 1) lines.take({ by: 'a', reason: 'pod-gone' }, 0);
  const leftOut = lines.leftOut!;
  expect(leftOut).toEqual({ lines: 14, reasons: { 'token-rejected': 9, 'pod-gone': 5 } });
  lines.take({ by: 'a', reason: 'pod-gone' }, 0);
  lines.said(leftOut);
  expect(lines.leftOut).toEqual({ lines: 1, reasons: { 'pod-gone': 1 } });
});

test('a clock that goes back leaves nobody out for long', () => {
  const lines = new CausedLines();
  written(lines, 'a', 1_000, 1e12);
  expect(written(lines, 'a', 1, 1e12 - 3_600_000)).toBe(1);
});
