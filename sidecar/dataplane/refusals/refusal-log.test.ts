import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import { RefusalLog } from './refusal-log.ts';

let clock: FakeClock;
let log: FakeLog;
let limited: RefusalLog;
beforeEach(() => {
  clock = new FakeClock();
  log = new FakeLog();
  limited = new RefusalLog({ clock, log }, { perKind: 2, inAll: 10, windowMs: 1_000 });
});

test('so many lines of a kind are written and no more', () => {
  for (let index = 0; index < 5; index++) limited.warn('denied', { index }, 'no');
  expect(log.lines.map(({ fields }) => fields)).toEqual([{ index: 0 }, { index: 1 }]);
});

test('another kind has its own count', () => {
  for (let index = 0; index < 5; index++) limited.warn('denied', {}, 'no');
  limited.warn('plaintext', {}, 'no');
  expect(log.lines).toHaveLength(3);
});

test('the next line says how many were left out', async () => {
  for (let index = 0; index < 5; index++) limited.warn('denied', {}, 'no');
  await clock.advance(1_000);
  limited.warn('denied', {}, 'no');
  expect(log.lines.at(-1)?.fields).toEqual({ suppressed: 3 });
});

test('a line of another kind says so too: no count is lost with a kind that does not come again', () => {
  for (let index = 0; index < 5; index++) limited.warn('denied', {}, 'no');
  limited.warn('plaintext', {}, 'no');
  expect(log.lines.at(-1)?.fields).toEqual({ suppressed: 3 });
});

test('kinds without number write no more lines than are allowed in all, and every one is counted', async () => {
  for (let index = 0; index < 10_000; index++) limited.warn(`kind ${index}`, {}, 'no');
  expect(log.lines).toHaveLength(10);
  await clock.advance(1_000);
  limited.warn('denied', {}, 'no');
  expect(log.lines.at(-1)?.fields).toEqual({ suppressed: 9_990 });
});
