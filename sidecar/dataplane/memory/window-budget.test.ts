import * as fc from 'fast-check';

import { WindowBudget } from './window-budget.ts';

test('what was taken together is never more than there is', () => {
  fc.assert(
    fc.property(
      fc.nat(1_000),
      fc.array(fc.integer({ min: -300, max: 300 }), { maxLength: 50 }),
      (bytes, steps) => {
        const budget = new WindowBudget(bytes);
        const taken: number[] = [];
        const sum = () => taken.reduce((total, one) => total + one, 0);
        for (const step of steps) {
          const back = step < 0 ? taken.pop() : undefined;
          if (back !== undefined) budget.give(back);
          else if (step >= 0) {
            const fits = sum() + step <= bytes;
            expect(budget.take(step)).toBe(fits);
            if (fits) taken.push(step);
          }
          expect(sum()).toBeLessThanOrEqual(bytes);
        }
      },
    ),
  );
});

test('a request that is refused takes nothing', () => {
  const budget = new WindowBudget(10);
  expect(budget.take(11)).toBe(false);
  expect(budget.take(10)).toBe(true);
  expect(budget.take(1)).toBe(false);
});
