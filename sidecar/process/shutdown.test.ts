import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import type { DrainOptions } from '../dataplane/connection/drain.ts';
import { shutDown, shutdownTimes } from './shutdown.ts';

class FakeHalf {
  accepted = 0;
  stopped: DrainOptions | undefined;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async stop(options: DrainOptions): Promise<void> {
    this.stopped = options;
    const deadline = this.#clock.now() + options.deadlineMs;
    await this.#clock.sleep(options.minimumMs);
    while (this.accepted > 0 && this.#clock.now() < deadline) await this.#clock.sleep(10);
  }
}

function setUp(times: { minimumMs: number; deadlineMs: number }) {
  const clock = new FakeClock();
  const inbound = new FakeHalf(clock);
  const outbound = new FakeHalf(clock);
  const state = { busy: false, done: false };
  const start = () => {
    void shutDown({ clock, log: new FakeLog(), inbound, outbound, busy: () => state.busy }, times).then(
      () => (state.done = true),
    );
  };
  return { clock, inbound, outbound, state, start };
}

test('idle, without a minimum, it ends at once', async () => {
  const { clock, state, start } = setUp({ minimumMs: 0, deadlineMs: 25_000 });
  start();
  await clock.advance(100);
  expect(state.done).toBe(true);
});

test('idle, it serves on for the minimum and not much longer', async () => {
  const { clock, state, start } = setUp({ minimumMs: 5_000, deadlineMs: 25_000 });
  start();
  await clock.advance(4_900);
  expect(state.done).toBe(false);
  await clock.advance(1_000);
  expect(state.done).toBe(true);
});

test('outbound stays open while the application uses it, up to the deadline', async () => {
  const { clock, outbound, state, start } = setUp({ minimumMs: 5_000, deadlineMs: 25_000 });
  outbound.accepted = 1;
  start();
  await clock.advance(15_000);
  expect(outbound.stopped).toBeUndefined();
  outbound.accepted = 0;
  await clock.advance(1_000);
  expect(state.done).toBe(true);
});

test('nothing outlives the deadline', async () => {
  const { clock, inbound, outbound, state, start } = setUp({ minimumMs: 5_000, deadlineMs: 25_000 });
  inbound.accepted = outbound.accepted = 3;
  state.busy = true;
  start();
  await clock.advance(25_200);
  expect(outbound.stopped).toMatchObject({ minimumMs: 0 });
  expect(state.done).toBe(true);
});

test('a hook that is under way is waited for', async () => {
  const { clock, state, start } = setUp({ minimumMs: 1_000, deadlineMs: 25_000 });
  state.busy = true;
  start();
  await clock.advance(10_000);
  expect(state.done).toBe(false);
  state.busy = false;
  await clock.advance(1_000);
  expect(state.done).toBe(true);
});

test('a native sidecar needs no minimum, and every style leaves five seconds of the grace period', () => {
  expect(shutdownTimes({ style: 'native', drainMs: 5_000, graceMs: 30_000 })).toEqual({
    minimumMs: 0,
    deadlineMs: 25_000,
  });
  expect(shutdownTimes({ style: 'ordinary', drainMs: 5_000, graceMs: 30_000 })).toEqual({
    minimumMs: 5_000,
    deadlineMs: 25_000,
  });
  expect(shutdownTimes({ style: 'ordinary', drainMs: 5_000, graceMs: 0 })).toEqual({
    minimumMs: 5_000,
    deadlineMs: 1_000,
  });
});
