import * as fc from 'fast-check';

import { FakeClock } from '#base/testing/clock.fake.ts';

import { MemoryBudget } from './memory-budget.ts';
import type { Holding, PeerAccount } from './peer-account.ts';

const BYTES = 1_000_000;

let budget: MemoryBudget;
beforeEach(() => {
  budget = new MemoryBudget(BYTES, new FakeClock());
});

/** Something whose waiting bytes a test sets; ends when it is shed, as connections do. */
class Held implements Holding {
  readonly account: PeerAccount;
  readonly fixedBytes: number;
  waitingBytes = 0;
  shedTimes = 0;
  readonly #of: MemoryBudget;

  constructor(of: MemoryBudget, account: PeerAccount, fixedBytes = 0) {
    this.#of = of;
    this.account = account;
    this.fixedBytes = fixedBytes;
    of.add(this);
  }

  shed(): void {
    this.shedTimes += 1;
    this.waitingBytes = 0;
    this.#of.remove(this);
  }
}

/** Bytes arrive and wait in something. */
function arrive(held: Held, bytes: number): void {
  held.waitingBytes += bytes;
  budget.arrived(bytes);
}

describe('what exists', () => {
  test('is refused to a peer that has its share, while another one gets more', () => {
    const greedy = budget.account('web', '10.0.0.1');
    while (budget.take(greedy, 10_000));
    expect(greedy.fixed).toBeGreaterThan(BYTES * 0.45);
    expect(greedy.fixed).toBeLessThan(BYTES * 0.48);
    expect(budget.obstacle(greedy, 10_000)).toBe('peer');
    expect(budget.obstacle(budget.account('api', '10.0.0.2'), 10_000)).toBeUndefined();
  });

  test('is refused where all peers together have what there is, and given again when some of it goes', () => {
    const back: (() => void)[] = [];
    for (let peer = 0; ; peer++) {
      const release = budget.take(budget.account(`service-${peer}`, '10.0.0.1'), 10_000);
      if (!release) break;
      back.push(release);
    }
    expect(budget.fixed).toBeLessThanOrEqual((BYTES * 15) / 16);
    expect(budget.obstacle(budget.account('api', '10.0.0.2'), 10_000)).toBe('process');
    back[0]!();
    back[0]!();
    expect(budget.obstacle(budget.account('api', '10.0.0.2'), 10_000)).toBeUndefined();
    for (const release of back) release();
    expect(budget.fixed).toBe(0);
  });

  test('of one identity at many addresses is bounded, so that some is left for others', () => {
    for (let pod = 0; budget.take(budget.account('web', `10.0.${pod}.1`), 10_000); pod++);
    expect(budget.obstacle(budget.account('web', '10.1.0.1'), 10_000)).toBe('identity');
  });
});

describe('what waits', () => {
  test('is at no time more than half of the memory and what may arrive between two counts', () => {
    const step = fc.record({ who: fc.nat(5), bytes: fc.integer({ min: 1, max: 16_384 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 100, maxLength: 400 }), (steps) => {
        budget = new MemoryBudget(BYTES, new FakeClock());
        const held = new Map<number, Held>();
        for (const { who, bytes } of steps) {
          const one = held.get(who) ?? new Held(budget, budget.account(`p${who}`, 'a'));
          held.set(who, one);
          arrive(one, bytes);
          if (one.shedTimes > 0) held.delete(who);
          const waiting = [...held.values()].reduce((sum, { waitingBytes }) => sum + waitingBytes, 0);
          expect(waiting).toBeLessThan(BYTES / 2 + BYTES / 16);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('is ended where most waits, for whom most waits, and nowhere else', () => {
    const victim = new Held(budget, budget.account('web', '10.0.0.1'));
    const greedy = budget.account('stranger', '10.0.0.2');
    const [small, big] = [new Held(budget, greedy), new Held(budget, greedy)];
    arrive(victim, 50_000);
    arrive(small, 60_000);
    for (let bytes = 0; bytes < BYTES && big.shedTimes === 0; bytes += 10_000) arrive(big, 10_000);
    expect([big, small, victim].map(({ shedTimes }) => shedTimes)).toEqual([1, 0, 0]);
    expect(budget.waiting).toBe(110_000);
  });

  test('of a peer with very many small pieces gives way before the one piece of another', () => {
    const greedy = budget.account('stranger', '10.0.0.2');
    const many = Array.from({ length: 60 }, () => new Held(budget, greedy));
    const victim = new Held(budget, budget.account('web', '10.0.0.1'));
    arrive(victim, 100_000);
    for (let round = 0; round < 40; round++)
      for (const one of many) if (one.shedTimes === 0) arrive(one, 1_000);
    expect(victim.shedTimes).toBe(0);
    expect(many.some(({ shedTimes }) => shedTimes > 0)).toBe(true);
  });

  test('gives way where more exists than there is room for beside it', () => {
    const held = new Held(budget, budget.account('web', '10.0.0.1'));
    arrive(held, 400_000);
    budget.count();
    expect(held.shedTimes).toBe(0);
    for (let peer = 0; budget.take(budget.account(`service-${peer}`, 'a'), 10_000); peer++);
    expect(held.shedTimes).toBe(1);
  });

  test('lets windows grow no more while much of it waits', () => {
    const held = new Held(budget, budget.account('web', '10.0.0.1'));
    expect(budget.growth.take(1)).toBe(true);
    arrive(held, 300_000);
    budget.count();
    expect(budget.isTight).toBe(true);
    expect(budget.growth.take(1)).toBe(false);
    held.waitingBytes = 0;
    budget.count();
    expect(budget.growth.take(1)).toBe(true);
  });
});

test('what has ended counts no longer, however often it is said', () => {
  const held = new Held(budget, budget.account('web', '10.0.0.1'), 20_000);
  arrive(held, 1_000);
  budget.count();
  expect([budget.fixed, budget.waiting]).toEqual([20_000, 1_000]);
  budget.leaves(held);
  budget.leaves(held);
  expect([budget.fixed, budget.waiting]).toEqual([0, 1_000]);
  budget.remove(held);
  budget.remove(held);
  expect([budget.fixed, budget.waiting]).toEqual([0, 0]);
  expect(held.account.isIdle).toBe(true);
});

test('accounts of peers that hold nothing are bounded, however many peers come', () => {
  const kept = budget.account('web', '10.0.0.1');
  new Held(budget, kept, 10);
  for (let peer = 0; peer < 20_000; peer++) {
    // It has spent something, so that its account is not as a new one.
    budget.account('stranger', `10.9.${peer >> 8}.${peer & 255}`).frames.spend(1);
  }
  expect([...budget.accounts()].length).toBeLessThan(5_000);
  expect(budget.account('web', '10.0.0.1')).toBe(kept);
});
