import { jsonLog } from './log.ts';
import { boundedFields, printableLine } from './log-text.ts';

/** What others may write into our log: names, paths, texts of any size and kind. */

test('escapes what a terminal would act on or a reader misread, and says the same', () => {
  const text = 'a\u009b31mred\u202egnp.exe\u2028next\u0007bell\u007f';
  const line = printableLine(JSON.stringify({ text }));
  expect(line).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(line)).toEqual({ text });
});

test('leaves other languages readable', () => {
  expect(printableLine('"größer 大きい"')).toBe('"größer 大きい"');
});

test('cuts texts, lists and depth, and says so', () => {
  let deep: object = {};
  for (let level = 0; level < 50; level++) deep = { deep };
  const line = JSON.stringify(
    boundedFields({
      text: 'x'.repeat(1_000_000),
      list: Array(10_000).fill('y'),
      deep,
      number: 1,
      none: null,
    }),
  );
  expect(line.length).toBeLessThan(6_000);
  expect(line).toContain('995904 more characters');
  expect(line).toContain('9900 more');
  expect(line).toContain('"number":1,"none":null');
});

test('holds for every line of a process, errors included', () => {
  const lines: string[] = [];
  const log = jsonLog('test', 'info', { write: (line) => void lines.push(line) });
  log.warn({ pod: `\u202e${'p'.repeat(50_000)}` }, 'injection refused');
  log.error({ err: new Error('e'.repeat(100_000)) }, 'failed');
  log.child({ replica: 'a' }).info({ names: ['n'.repeat(50_000)] }, 'child');
  expect(lines).toHaveLength(3);
  for (const line of lines) {
    expect(line.length).toBeLessThan(20_000);
    expect(line).not.toContain('\u202e');
    expect(() => void JSON.parse(line)).not.toThrow();
  }
});
