import { FrameReader, ProtocolError } from './frame-reader.ts';
import { frameBytes } from './frames.fake.ts';
import { FRAME_UNITS, PacedReader } from './paced-reader.ts';
import { FRAME } from './protocol.ts';
import { turn } from '../session-pair.fake.ts';

/** As many frames as a turn takes, by what each costs. */
const A_TURN = 262_144 / FRAME_UNITS;

let paused = false;
let frames = 0;
let fault: ProtocolError | undefined;
let reads: PacedReader;
beforeEach(() => {
  [paused, frames, fault] = [false, 0, undefined];
  const reader = new FrameReader({
    dataBegins: () => undefined,
    dataPiece: () => undefined,
    frame: (type) => {
      frames += 1;
      if (type === FRAME.goAway) throw new ProtocolError('as a test wants it');
      reads.spend(FRAME_UNITS);
    },
  });
  const wire = { pause: () => (paused = true), resume: () => (paused = false) };
  reads = new PacedReader({ reader, wire, onFault: (why) => (fault = why) });
});

afterEach(() => reads.stop());

const pings = (count: number) => Buffer.concat(Array.from({ length: count }, () => frameBytes(FRAME.ping)));

test('of very many frames that come at once so many are read in a turn, and the rest in the turns after it', async () => {
  const all = 10 * A_TURN;
  reads.push(pings(all));
  expect(paused).toBe(true);
  expect(frames).toBeLessThanOrEqual(A_TURN);
  let last = frames;
  for (let turns = 0; frames < all && turns < 20; turns++) {
    await turn();
    expect(frames - last).toBeLessThanOrEqual(A_TURN + 1);
    last = frames;
  }
  expect(frames).toBe(all);
  await turn();
  expect(paused).toBe(false);
});

test('what waits for a later turn is counted as held', () => {
  const bytes = pings(10 * A_TURN);
  reads.push(bytes);
  expect(reads.waitingBytes).toBeGreaterThanOrEqual(bytes.length);
});

test('what waits is read when nothing more comes', () => {
  reads.push(pings(10 * A_TURN));
  reads.finish();
  expect(frames).toBe(10 * A_TURN);
  expect(reads.waitingBytes).toBeLessThanOrEqual(65_536);
});

test('after a stop nothing is read that waited', async () => {
  reads.push(pings(10 * A_TURN));
  reads.stop();
  const before = frames;
  for (let turns = 0; turns < 20; turns++) await turn();
  reads.push(pings(1));
  expect(frames).toBe(before);
});

test('what breaks the protocol is reported, also in a later turn', async () => {
  reads.push(Buffer.concat([pings(2 * A_TURN), frameBytes(FRAME.goAway, 0, Buffer.from([0, 4]))]));
  expect(fault).toBeUndefined();
  for (let turns = 0; turns < 10 && !fault; turns++) await turn();
  expect(fault?.message).toBe('as a test wants it');
});
