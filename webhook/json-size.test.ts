import fc from 'fast-check';

import { jsonSizeFault } from './json-size.ts';

const fault = (text: string, limits = { values: 10, depth: 3 }) => jsonSizeFault(Buffer.from(text), limits);

test.each([
  ['a flat list within its limit', '[1,2,3,4,5,6,7,8,9]'],
  ['an object within its limit', '{"a":{"b":[1]}}'],
  ['marks inside a string', `{"a":"${'[{,:'.repeat(100)}"}`],
  ['a quote inside a string', `["\\"${'[{,:'.repeat(100)}"]`],
  ['nothing', ''],
])('passes: %s', (_what, text) => {
  expect(fault(text)).toBeUndefined();
});

test.each([
  ['many values', '[1,2,3,4,5,6,7,8,9,10]', 'the body holds more than 10 values'],
  ['many keys', '{"a":1,"b":2,"c":3,"d":4,"e":5}', 'the body holds more than 10 values'],
  ['empty lists', '[[],[],[],[],[],[]]', 'the body holds more than 10 values'],
  ['depth', '[[[[', 'the body holds lists and objects more than 3 deep'],
  [
    'values after a string that ends in a backslash',
    '["\\\\",1,2,3,4,5,6,7,8,9]',
    'the body holds more than 10 values',
  ],
])('is told: %s', (_what, text, sentence) => {
  expect(fault(text)).toBe(sentence);
});

test('never finds fewer values than a parser makes', () => {
  const count = (value: unknown): number =>
    typeof value !== 'object' || value === null
      ? 1
      : Object.values(value).reduce<number>((sum, inner) => sum + count(inner), 1);
  fc.assert(
    fc.property(fc.json(), (text) => {
      const values = count(JSON.parse(text));
      if (values > 1) expect(fault(text, { values: values - 1, depth: 1_000 })).toBeDefined();
    }),
  );
});
