import { describe, expect, test } from '@jest/globals';

import { FakeClock } from './testing/clock.fake.ts';
import { systemClock } from './clock.ts';

describe("the machine's clock", () => {
  test('fires a timer once, and not when it was cancelled', async () => {
    const fired: string[] = [];
    systemClock.setTimeout(() => fired.push('a'), 1);
    systemClock.setTimeout(() => fired.push('b'), 1).cancel();
    await systemClock.sleep(30);
    expect(fired).toEqual(['a']);
  });

  test('does not fire a timer of a year at once, as Node alone would', async () => {
    let fired = false;
    const timer = systemClock.setTimeout(() => (fired = true), 365 * 24 * 3_600_000);
    await systemClock.sleep(30);
    timer.cancel();
    expect(fired).toBe(false);
  });

  test('wakes a sleeper early when the signal is aborted, before or meanwhile', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    await systemClock.sleep(60_000, controller.signal);
    await systemClock.sleep(60_000, controller.signal);
    expect(controller.signal.aborted).toBe(true);
  });
});

describe('the clock of tests', () => {
  test('fires timers in order of their time, and lets what waited go on', async () => {
    const clock = new FakeClock(0);
    const seen: string[] = [];
    clock.setTimeout(() => seen.push(`b at ${clock.now()}`), 20);
    clock.setTimeout(() => seen.push(`a at ${clock.now()}`), 10);
    const sleeping = clock
      .sleep(15)
      .then(() => clock.sleep(10))
      .then(() => seen.push(`c at ${clock.now()}`));
    await clock.advance(19);
    expect(seen).toEqual(['a at 10']);
    await clock.advance(6);
    await sleeping;
    expect(seen).toEqual(['a at 10', 'b at 20', 'c at 25']);
    expect(clock.pendingTimers).toBe(0);
  });
});
