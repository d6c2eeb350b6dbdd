import { FakeClock } from './testing/clock.fake.ts';
import { FakeLog } from './testing/log.fake.ts';

import { LimitedLog } from './limited-log.ts';

test('lines beyond the limit are left out and counted, and the next one says how many', async () => {
  const [log, clock] = [new FakeLog(), new FakeClock()];
  let leftOut = 0;
  const limits = { burst: 3, perSecond: 1 };
  const limited = new LimitedLog({ log, clock, limits, onLeftOut: () => (leftOut += 1) });
  for (let index = 0; index < 100; index++) limited.child({}).warn({ index }, 'refused');
  expect([log.lines.length, leftOut]).toEqual([3, 97]);
  limited.info({}, 'refused');
  await clock.advance(1_000);
  limited.error({ a: 1 }, 'refused');
  expect(log.lines.at(-1)).toMatchObject({ level: 'error', fields: { a: 1, leftOut: 98 } });
});
