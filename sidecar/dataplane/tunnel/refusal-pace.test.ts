import { FakeClock } from '#base/testing/clock.fake.ts';

import { OpenError } from '../transport/transport.ts';
import { RefusalPace } from './refusal-pace.ts';

const DENIED = OpenError.elsewhere('denied', 'the rules say no');

let clock: FakeClock;
let pace: RefusalPace;
beforeEach(() => {
  clock = new FakeClock();
  pace = new RefusalPace(clock);
});

/** How many streams the peer refuses before it is asked no more; as many as were tried when it always was. */
function asked(port: number, most = 5_000): number {
  for (let count = 0; count < most; count++) {
    if (pace.answer(port)) return count;
    pace.refused(port, DENIED);
  }
  return most;
}

test('a peer is asked for some hundred refusals at once, and then its last one is repeated', () => {
  expect(asked(80)).toBe(500);
  expect(pace.answer(80)).toBe(DENIED);
});

test('after a second the peer is asked again, so that an allow is seen', async () => {
  asked(80);
  await clock.advance(1_000);
  expect(pace.answer(80)).toBeUndefined();
});

test('a stream that is let through ends the repeating for its port, and for no other', () => {
  pace.refused(443, DENIED);
  asked(80);
  pace.accepted(80);
  expect(pace.answer(80)).toBeUndefined();
  expect(pace.answer(443)).toBe(DENIED);
});

test('a port that was never refused is always asked for', () => {
  asked(80);
  expect(pace.answer(81)).toBeUndefined();
});

test('in the long run a peer is asked for less than it bears', async () => {
  let count = 0;
  for (let second = 0; second < 60; second++) {
    count += asked(80);
    await clock.advance(1_000);
  }
  expect(count).toBeLessThan(500 + 60 * 151);
});
