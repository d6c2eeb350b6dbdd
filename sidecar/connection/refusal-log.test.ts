import { FakeClock } from '#kube/clock.fake.ts';
import { FakeLog } from '#kube/log.fake.ts';

import { RefusalLog } from './refusal-log.ts';

let clock: FakeClock;
let log: FakeLog;
let limited: RefusalLog;
beforeEach(() => {
  clock = new FakeClock();
  log = new FakeLog();
  limited = new RefusalLog({ clock, log }, { perWindow: 2, windowMs: 1_000 });
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

test('strangers without number do not fill the memory', () => {
  for (let index = 0; index < 10_000; index++) limited.warn(`kind ${index}`, {}, 'no');
  expect(log.lines.length).toBe(10_000);
});
