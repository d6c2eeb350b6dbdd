import { BodyBudget } from './body-budget.ts';
import type { BodyPlace } from './body-budget.ts';

const evicted: string[] = [];
let budget: BodyBudget;
beforeEach(() => {
  evicted.length = 0;
  budget = new BodyBudget({ total: 100, perNetwork: 60 });
});
const reserve = (network: string, bytes: number): BodyPlace | undefined =>
  budget.reserve({ network, bytes }, () => evicted.push(`${network} ${bytes}`));

test('what fits has its place, and gives it back once', () => {
  const place = reserve('a', 60)!;
  expect(reserve('b', 40)).toBeDefined();
  expect([budget.used, evicted]).toEqual([100, []]);
  place.release();
  place.release();
  expect(budget.used).toBe(40);
});

test('a newcomer takes the place of the oldest bodies that are not there yet', () => {
  reserve('a', 40);
  reserve('b', 40);
  expect(reserve('c', 50)).toBeDefined();
  expect([budget.used, evicted]).toEqual([90, ['a 40']]);
});

test('a network beyond its share loses its own bodies first', () => {
  reserve('other', 30);
  reserve('a', 30);
  reserve('a', 25);
  expect(reserve('a', 20)).toBeDefined();
  expect(evicted).toEqual(['a 30']);
});

test('a body that is there is not taken away: what cannot be had is refused, and nothing is lost for it', () => {
  reserve('a', 60)!.complete();
  reserve('b', 20);
  expect(reserve('c', 50)).toBeUndefined();
  expect(reserve('a', 10)).toBeUndefined();
  expect(reserve('d', 101)).toBeUndefined();
  expect([budget.used, evicted]).toEqual([80, []]);
});
