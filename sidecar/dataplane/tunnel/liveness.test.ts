import { FakeClock } from '#base/testing/clock.fake.ts';

import { Liveness } from './liveness.ts';

let clock: FakeClock;
let told: string[];
let sending: { waiting: boolean; progress: number };
let liveness: Liveness;
beforeEach(() => {
  clock = new FakeClock();
  told = [];
  sending = { waiting: false, progress: 0 };
  liveness = new Liveness(clock, {
    ping: () => told.push('ping'),
    dead: (text) => {
      told.push(text);
      liveness.stop();
    },
    sending: () => sending,
  });
  liveness.start();
});
afterEach(() => {
  liveness.stop();
  expect(clock.pendingTimers).toBe(0);
});

test('a peer that never stops talking is asked nothing', async () => {
  for (let second = 0; second < 60; second++) {
    liveness.heard();
    await clock.advance(1_000);
  }
  expect(told).toEqual([]);
});

test('a silent peer is asked, and nobody begins anything with it until it answers', async () => {
  await clock.advance(10_000);
  expect(told).toEqual(['ping']);
  expect(liveness.doubtful).toBe(true);
  liveness.heard();
  expect(liveness.doubtful).toBe(false);
  await clock.advance(5_000);
  expect(told).toEqual(['ping']);
});

test('a peer that answers nothing is given up within fifteen seconds of its last word', async () => {
  for (const silence of [0, 1, 2_500, 4_999]) {
    told = [];
    await clock.advance(silence);
    liveness.heard();
    const last = clock.now();
    while (told.length < 2 && clock.now() - last < 60_000) await clock.advance(10);
    expect(told).toEqual(['ping', 'the peer did not answer within 5 seconds']);
    expect(clock.now() - last).toBeLessThanOrEqual(15_000);
    expect(clock.now() - last).toBeGreaterThanOrEqual(10_000);
    liveness.heard();
    liveness.start();
  }
});

test('after this process was stopped itself, the silence of the peer means nothing', async () => {
  await clock.advance(10_000);
  expect(told).toEqual(['ping']);
  for (let pauses = 0; pauses < 5; pauses++) {
    clock.jump(60_000);
    await clock.advance(0);
  }
  expect(told).toEqual(['ping']);
  await clock.advance(5_000);
  expect(told).toEqual(['ping', 'the peer did not answer within 5 seconds']);
});

test('a peer that talks and takes nothing for a minute is given up', async () => {
  sending = { waiting: true, progress: 7 };
  for (let second = 0; second < 65; second++) {
    liveness.heard();
    await clock.advance(1_000);
  }
  expect(told).toEqual(['the peer has read nothing for 60 seconds']);
});

test('a peer that takes a little now and then is slow, and no more', async () => {
  for (let second = 0; second < 300; second++) {
    sending = { waiting: true, progress: Math.floor(second / 50) };
    liveness.heard();
    await clock.advance(1_000);
  }
  expect(told).toEqual([]);
});

test('a peer to which nothing waits to be sent is not stuck', async () => {
  for (let second = 0; second < 300; second++) {
    sending = { waiting: second % 50 > 5, progress: 0 };
    liveness.heard();
    await clock.advance(1_000);
  }
  expect(told).toEqual([]);
});
