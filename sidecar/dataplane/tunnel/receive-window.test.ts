import * as fc from 'fast-check';

import { MAX_STREAM_WINDOW, ReceiveWindow } from './receive-window.ts';
import type { WindowShare } from './receive-window.ts';
import { WindowBudget } from '../memory/window-budget.ts';

const BASE = 32_768;

/** What a budget still has: takes it all, and gives it back. */
function left(budget: WindowBudget): number {
  let bytes = 0;
  for (let step = 2 ** 31; step >= 1; step /= 2) while (budget.take(step)) bytes += step;
  budget.give(bytes);
  return bytes;
}

class Share implements WindowShare {
  readonly budget: WindowBudget;
  spare: number;
  released_ = 0;

  constructor(budget: number, spare: number) {
    this.budget = new WindowBudget(budget);
    this.spare = spare;
  }

  released(bytes: number): void {
    this.released_ += bytes;
  }
}

type Step =
  | { readonly kind: 'receive'; readonly window: number; readonly part: number }
  | { readonly kind: 'credit' | 'slow' | 'close'; readonly window: number };

const window = fc.integer({ min: 0, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('receive' as const),
      window,
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('credit' as const), window }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('slow' as const), window }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), window }) },
);

test('however streams are read, no more is promised than may be, and everything is given back at the end', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 300 }),
      fc.integer({ min: 0, max: 4 * MAX_STREAM_WINDOW }),
      fc.integer({ min: 0, max: 4 * MAX_STREAM_WINDOW }),
      (steps, budget, spare) => {
        const share = new Share(budget, spare);
        const open = () => ({ window: new ReceiveWindow(BASE, share), credit: BASE, held: 0 });
        const streams = [open(), open(), open(), open()];
        let received = 0;
        for (const { kind, window: index, ...rest } of steps) {
          const stream = streams[index]!;
          if (kind === 'receive') {
            const bytes = Math.floor(stream.credit * (rest as { part: number }).part);
            expect(stream.window.receive(bytes)).toBe(true);
            stream.credit -= bytes;
            stream.held += bytes;
            received += bytes;
          } else if (kind === 'credit') {
            const credit = stream.window.credit();
            stream.credit += credit;
            if (credit > 0) stream.held = 0;
          } else if (kind === 'slow') stream.window.slow();
          else {
            stream.window.close();
            streams[index] = open();
          }
          const sizes = streams.map((one) => one.window.size);
          const growth = sizes.reduce((sum, size) => sum + size - BASE, 0);
          for (const one of streams) {
            expect(one.window.size).toBeLessThanOrEqual(MAX_STREAM_WINDOW);
            // What may still come and what came and was not credited is one window, never more.
            expect(one.credit + one.held).toBe(one.window.size);
          }
          expect(share.spare).toBe(spare - growth);
          expect(share.spare).toBeGreaterThanOrEqual(0);
          expect(growth).toBeLessThanOrEqual(budget);
        }
        for (const one of streams) one.window.close();
        expect(share.spare).toBe(spare);
        expect(left(share.budget)).toBe(budget);
        expect(share.released_).toBe(received);
      },
    ),
    { numRuns: 200 },
  );
});

test('a byte beyond the credit is noticed', () => {
  const one = new ReceiveWindow(BASE, new Share(0, 0));
  expect(one.receive(BASE)).toBe(true);
  expect(one.receive(1)).toBe(false);
});

test('no credit is given before half a window was used', () => {
  const one = new ReceiveWindow(BASE, new Share(0, 0));
  one.receive(BASE / 2 - 1);
  expect(one.credit()).toBe(0);
  one.receive(1);
  expect(one.credit()).toBe(BASE / 2);
  expect(one.credit()).toBe(0);
});

test('the window of a reader that keeps up doubles until the largest', () => {
  const one = new ReceiveWindow(BASE, new Share(2 ** 30, 2 ** 30));
  const sizes: number[] = [];
  for (let turn = 0; turn < 7; turn++) {
    one.receive(one.size);
    one.credit();
    sizes.push(one.size);
  }
  expect(sizes).toEqual([65_536, 131_072, 262_144, 524_288, 1_048_576, 1_048_576, 1_048_576]);
});

test('the window of a reader that was slow stays as it is for once', () => {
  const one = new ReceiveWindow(BASE, new Share(2 ** 30, 2 ** 30));
  one.slow();
  one.receive(BASE);
  expect(one.credit()).toBe(BASE);
  one.receive(BASE);
  expect(one.credit()).toBe(2 * BASE);
});

test('closing twice gives back once', () => {
  const share = new Share(BASE, BASE);
  const one = new ReceiveWindow(BASE, share);
  one.receive(BASE);
  one.credit();
  one.close();
  one.close();
  expect(share.spare).toBe(BASE);
  expect(left(share.budget)).toBe(BASE);
  expect(share.released_).toBe(BASE);
});
