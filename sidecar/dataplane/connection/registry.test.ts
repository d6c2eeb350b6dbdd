import { FakeClock, settle } from '#base/testing/clock.fake.ts';

import { ConnectionRefusal } from '../refusals/refusal.ts';
import { ConnectionRegistry } from './registry.ts';
import type { OpenConnection } from './registry.ts';

class FakeConnection implements OpenConnection {
  readonly cuts: string[] = [];
  fault: ConnectionRefusal | undefined;
  reviews = 0;
  readonly #registry: ConnectionRegistry;
  readonly #expiresAt: number;

  constructor(registry: ConnectionRegistry, expiresAt = Infinity) {
    this.#registry = registry;
    this.#expiresAt = expiresAt;
    registry.add(this);
  }

  expiresAt(): number {
    return this.#expiresAt;
  }

  review(now: number): ConnectionRefusal | undefined {
    this.reviews += 1;
    if (now > this.#expiresAt) return new ConnectionRefusal('expired-certificate', 'over');
    return this.fault;
  }

  cut(why: ConnectionRefusal): void {
    this.cuts.push(why.reason);
    this.#registry.remove(this);
  }
}

let clock: FakeClock;
let registry: ConnectionRegistry;
beforeEach(() => {
  clock = new FakeClock();
  registry = new ConnectionRegistry(clock);
});

test('a review cuts what is allowed no longer and nothing else', async () => {
  const stays = new FakeConnection(registry);
  const goes = new FakeConnection(registry);
  goes.fault = new ConnectionRefusal('denied', 'no');
  registry.review();
  await settle();
  expect([stays.cuts, goes.cuts]).toEqual([[], ['denied']]);
  expect(registry.size).toBe(1);
});

test('thousands are reviewed in pieces, all of them', async () => {
  const all = Array.from({ length: 2_000 }, () => new FakeConnection(registry));
  for (const connection of all) connection.fault = new ConnectionRefusal('denied', 'no');
  registry.review();
  expect(registry.size).toBeGreaterThan(0);
  for (let turn = 0; turn < 5; turn++) await settle();
  expect(registry.size).toBe(0);
});

test('a change during a review leads to one more', async () => {
  const connection = new FakeConnection(registry);
  for (let index = 0; index < 1_000; index++) new FakeConnection(registry);
  registry.review();
  connection.fault = new ConnectionRefusal('denied', 'no');
  registry.review();
  registry.review();
  for (let turn = 0; turn < 5; turn++) await settle();
  expect(connection.cuts).toEqual(['denied']);
});

test('a connection is reviewed when its certificate expires, the earliest first', async () => {
  const late = new FakeConnection(registry, clock.now() + 2_000);
  const early = new FakeConnection(registry, clock.now() + 1_000);
  await clock.advance(1_001);
  expect([early.cuts, late.cuts]).toEqual([['expired-certificate'], []]);
  await clock.advance(1_001);
  expect(late.cuts).toEqual(['expired-certificate']);
});

test('no timer is left when nothing is open', () => {
  const connection = new FakeConnection(registry, clock.now() + 1_000);
  registry.remove(connection);
  expect(clock.pendingTimers).toBe(0);
});

test('whoever waits for emptiness is told', async () => {
  const connection = new FakeConnection(registry);
  let empty = false;
  void registry.whenEmpty().then(() => (empty = true));
  await settle();
  expect(empty).toBe(false);
  registry.remove(connection);
  await settle();
  expect(empty).toBe(true);
});

test('a timer that fires a moment early, as those of Node may, forgets nobody', async () => {
  let tooSoon = 1;
  const early = {
    now: () => clock.now(),
    sleep: (ms: number) => clock.sleep(ms),
    setTimeout: (fn: () => void, ms: number) => clock.setTimeout(fn, ms - tooSoon),
  };
  registry = new ConnectionRegistry(early);
  const brief = new FakeConnection(registry, clock.now() + 1_000);
  tooSoon = 0;
  await clock.advance(1_000);
  expect(brief.cuts).toEqual([]);
  await clock.advance(1);
  expect(brief.cuts).toEqual(['expired-certificate']);
});
