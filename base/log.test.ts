import { expect, test } from '@jest/globals';

import { jsonLog, silentLog } from './log.ts';

test('a log line is one JSON object with name, level, time, fields and message', () => {
  const lines: string[] = [];
  const log = jsonLog('operator', 'info', { write: (line) => void lines.push(line) });
  log.debug({}, 'not shown');
  log.child({ namespace: 'shop' }).warn({ err: new Error('broken') }, 'something happened');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    level: 'warn',
    name: 'operator',
    namespace: 'shop',
    msg: 'something happened',
    err: { type: 'Error', message: 'broken' },
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
  });
});

test('silence is silent, children too', () => {
  expect(silentLog.child({ a: 1 })).toBe(silentLog);
});
