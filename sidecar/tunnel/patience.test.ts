import { Patience } from './patience.ts';

/** How many frames without work are taken until there were too many. */
function patienceOf(patience: Patience): number {
  let frames = 0;
  while (frames < 100_000 && patience.spend()) frames += 1;
  return frames;
}

test('a burst of frames without work is taken, and one more is too many', () => {
  expect(patienceOf(new Patience())).toBe(4_096);
});

test('rest gives some of it back, and never more than there was', () => {
  const patience = new Patience();
  for (let frame = 0; frame < 4_096; frame++) patience.spend();
  patience.rest();
  expect(patienceOf(patience)).toBe(1_000);
  for (let span = 0; span < 100; span++) patience.rest();
  expect(patienceOf(patience)).toBe(4_096);
});

test('bytes of the application earn frames: one for a kibibyte', () => {
  const patience = new Patience();
  for (let frame = 0; frame < 4_096; frame++) patience.spend();
  patience.work(10 * 1_024);
  expect(patienceOf(patience)).toBe(10);
  patience.work(2 ** 40);
  expect(patienceOf(patience)).toBe(4_096);
});

test('the frames of a stream that was let through cost nothing in the end', () => {
  const patience = new Patience();
  let refused = 0;
  for (let stream = 0; stream < 50_000; stream++) {
    patience.opened();
    for (let frame = 0; frame < 4; frame++) refused += patience.spend() ? 0 : 1;
  }
  expect(refused).toBe(0);
  expect(patienceOf(patience)).toBeGreaterThan(4_000);
});
