import { BASE_LIMITS } from './frames/protocol.ts';
import { PAIR_BUDGET, SessionPair } from './session-pair.fake.ts';
import { StreamEnd } from './stream-end.fake.ts';

/** What streams may send together, over many streams and many endings. */

const MIB = 1_048_576;

let pair: SessionPair;
beforeEach(() => {
  pair = new SessionPair();
});
afterEach(async () => {
  await pair.stop();
  expect(pair.budgetLeft).toBe(PAIR_BUDGET);
});

async function talk(): Promise<readonly [StreamEnd, StreamEnd]> {
  const [near, far] = await pair.stream();
  const one = new StreamEnd(near, 1, 2);
  const other = new StreamEnd(far, 2, 1);
  near.carry(one);
  far.carry(other);
  return [one, other];
}

test('a slow reader does not keep the bytes of another stream, and holds one window', async () => {
  const [slowWriter, slow] = await talk();
  slow.pause();
  slowWriter.say(4 * MIB);
  await pair.settle();
  expect(slow.heard).toBe(BASE_LIMITS.streamWindow);
  const [writer, reader] = await talk();
  for (let round = 0; round < 128; round++) {
    writer.say(MIB);
    await pair.settle();
  }
  expect(reader.heard).toBe(128 * MIB);
  expect(slow.heard).toBe(BASE_LIMITS.streamWindow);
  slow.resume();
  await pair.settle();
  expect(slow.heard).toBe(4 * MIB);
  for (const end of [slowWriter, slow, writer, reader]) expect(end.faults).toEqual([]);
}, 60_000);

test('a thousand slow readers keep nobody from the whole connection', async () => {
  const slow = await Promise.all(
    Array.from({ length: 1_000 }, async () => {
      const near = pair.dialer.open({ port: 80 });
      near.write(Buffer.alloc(60_000));
      return near;
    }),
  );
  await pair.settle();
  const [writer, reader] = await talk();
  for (let round = 0; round < 64; round++) {
    writer.say(MIB);
    await pair.settle();
  }
  expect(reader.heard).toBe(64 * MIB);
  for (const stream of slow) stream.reset('cancelled');
  await pair.settle();
  expect(pair.acceptor.streams).toBe(1);
}, 60_000);

test('the credit of bytes for streams that were reset meanwhile is given back', async () => {
  for (let round = 0; round < 60; round++) {
    const [writer, reader] = await talk();
    // So that the window is large and much is under way when the stream ends.
    for (let step = 0; step < 6; step++) {
      writer.say(MIB / 2);
      await pair.settle();
    }
    writer.say(MIB);
    await new Promise((resolve) => setImmediate(resolve));
    reader.stream.reset('app-reset');
    await pair.settle();
    expect([pair.dialer.streams, pair.acceptor.streams]).toEqual([0, 0]);
  }
  const [writer, reader] = await talk();
  writer.say(2 * MIB);
  await pair.settle();
  expect(reader.heard).toBe(2 * MIB);
}, 120_000);

test('streams that come and go by the thousand are no abuse, whoever they belong to', async () => {
  for (let round = 0; round < 20_000; round++) {
    const near = pair.dialer.open({ port: 80 });
    near.write(Buffer.from('hi'));
    await pair.settle();
    const far = pair.arrived.pop();
    if (!far) break;
    far.accept();
    far.end();
    near.end();
    await pair.settle();
  }
  expect(pair.ends).toEqual({});
}, 120_000);

test('streams that the peer refuses by the thousand are no abuse of the peer', async () => {
  for (let round = 0; round < 20 && !pair.dialer.isClosed; round++) {
    for (let count = 0; count < 500; count++)
      pair.dialer
        .open({ port: 80 })
        .consent()
        .catch(() => undefined);
    await pair.settle();
    for (const far of pair.arrived.splice(0)) far.reset('denied', 'not you');
    await pair.settle();
    for (let seconds = 0; seconds < 3; seconds++) {
      await pair.clock.advance(1_000);
      await pair.settle();
    }
  }
  expect(pair.ends).toEqual({});
}, 60_000);
