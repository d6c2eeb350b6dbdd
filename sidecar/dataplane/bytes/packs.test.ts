import * as fc from 'fast-check';

import { heldMegabytes } from '../../testing/memory.fake.ts';
import { Packs } from './packs.ts';

test('what was added is taken, in order and once', () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.uint8Array({ maxLength: 100 }) },
    {
      weight: 2,
      arbitrary: fc.integer({ min: 2_040, max: 20_000 }).map((length) => new Uint8Array(length).fill(7)),
    },
    { weight: 1, arbitrary: fc.constant('take' as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const packs = new Packs();
      let waiting: Uint8Array[] = [];
      for (const what of [...steps, 'take' as const]) {
        if (what === 'take') {
          expect(Buffer.concat(packs.take()).equals(Buffer.concat(waiting))).toBe(true);
          waiting = [];
        } else {
          packs.add(Buffer.from(what));
          waiting.push(what);
        }
        expect(packs.bytes).toBe(waiting.reduce((sum, { length }) => sum + length, 0));
      }
      expect(packs.take()).toEqual([]);
    }),
  );
});

test('what was taken does not change when more is added', () => {
  const packs = new Packs();
  packs.add(Buffer.from('one'));
  const taken = packs.take();
  packs.add(Buffer.from('two'));
  expect(Buffer.concat(taken).toString()).toBe('one');
});

test('single bytes hold no more than bytes, and nothing of what came with them', async () => {
  const before = await heldMegabytes();
  const packs = new Packs();
  for (let count = 0; count < 10_000; count++) packs.add(Buffer.allocUnsafeSlow(16_384).subarray(5, 6));
  expect((await heldMegabytes()) - before).toBeLessThan(3);
  expect(packs.take().length).toBeLessThan(10);
});

test.each([
  ['a single byte', 1],
  ['2 KiB', 2_048],
  ['just less than half', 8_100],
])('%s of each of a thousand records keeps no more than twice what it is', async (_what, bytes) => {
  const packs = new Packs();
  const before = await heldMegabytes();
  for (let record = 0; record < 1_000; record++)
    packs.add(Buffer.allocUnsafeSlow(16_384).fill(record).subarray(0, bytes));
  const held = (await heldMegabytes()) - before;
  expect(held).toBeLessThan((2 * 1_000 * bytes) / 1_048_576 + 1);
  expect(packs.memory).toBeLessThan(2 * 1_000 * bytes + 65_536);
  expect(packs.memory).toBeGreaterThanOrEqual(packs.bytes);
});
