import { FakeClock } from '#base/testing/clock.fake.ts';

import { FRAME_COSTS, FrameBudget } from './frame-budget.ts';

let clock: FakeClock;
let budget: FrameBudget;
beforeEach(() => {
  clock = new FakeClock();
  budget = new FrameBudget(clock);
});

/** How many frames of a kind are taken until there were too many; as many as were tried when there never were. */
function taken(cost: number = FRAME_COSTS.frame, most = 100_000): number {
  let frames = 0;
  while (frames < most && budget.spend(cost)) frames += 1;
  return frames;
}

test('a burst of frames without work is taken, and one more is too many', () => {
  expect(taken()).toBe(8_192);
});

test('time gives some of it back, and never more than there was', async () => {
  taken();
  await clock.advance(5_000);
  expect(taken()).toBeGreaterThan(1_990);
  await clock.advance(3_600_000);
  expect(budget.isWhole).toBe(true);
  expect(taken()).toBe(8_192);
});

test('a clock that is set back takes nothing away, and gives nothing', () => {
  taken();
  const before = new FakeClock(clock.now() - 3_600_000);
  clock.now = () => before.now();
  expect(taken()).toBe(0);
  expect(budget.isWhole).toBe(false);
});

test('bytes of the application earn frames: one for a kibibyte', () => {
  taken();
  budget.earn(11 * 1_024);
  expect(taken()).toBe(10);
  budget.earn(2 ** 40);
  expect(taken()).toBe(8_192);
});

test('the frames of a stream that was let through cost nothing in the end', () => {
  let refused = 0;
  for (let stream = 0; stream < 50_000; stream++) {
    budget.accepted();
    for (let frame = 0; frame < 4; frame++) refused += budget.spend(FRAME_COSTS.frame) ? 0 : 1;
  }
  expect(refused).toBe(0);
  expect(taken()).toBeGreaterThan(8_000);
});

test('single bytes at a hundred thousand a second are borne for ever', async () => {
  let refused = 0;
  for (let second = 0; second < 90; second++) {
    for (let frame = 0; frame < 100_000; frame++) {
      budget.earn(1);
      if (!budget.spend(FRAME_COSTS.data)) refused += 1;
    }
    await clock.advance(1_000);
  }
  expect(refused).toBe(0);
});

test('data of streams that are over is borne as far as it can have been on its way, and no further', () => {
  // A window that has grown as far as it may, in frames of a busy stream.
  for (let frame = 0; frame < 64; frame++)
    expect(budget.spend(FRAME_COSTS.lateData + 16_384 * FRAME_COSTS.lostByte)).toBe(true);
  expect(taken(FRAME_COSTS.lateData + FRAME_COSTS.lostByte)).toBeLessThan(66_000);
});
