import { framesIn } from './frames/frames.fake.ts';
import { Outbox } from './outbox.ts';
import { FRAME } from './frames/protocol.ts';
import { turn } from './session-pair.fake.ts';
import type { TunnelStream } from './tunnel-stream.ts';
import { FakeWire } from './wire.fake.ts';

const MIB = 1_048_576;
const chunk = Buffer.alloc(65_536);

/** A stream that has so much to send, and all the credit for it. */
class Sender {
  readonly id: number;
  readonly isClosed = false;
  left: number;
  readonly turns: number[] = [];
  readonly #outbox: () => Outbox;

  constructor(id: number, bytes: number, outbox: () => Outbox) {
    this.id = id;
    this.left = bytes;
    this.#outbox = outbox;
  }

  pump(quantum: number): boolean {
    let may = Math.min(quantum, this.left);
    while (may > 0) {
      const sent = this.#outbox().data(this.id, chunk, chunk.length - Math.min(may, chunk.length), may);
      if (sent === 0) return true;
      this.left -= sent;
      may -= sent;
      this.turns.push(sent);
    }
    return this.left > 0;
  }

  get stream(): TunnelStream {
    return this as unknown as TunnelStream;
  }
}

let wire: FakeWire;
let outbox: Outbox;
let sent: number;
beforeEach(() => {
  [wire] = FakeWire.pair();
  wire.record = true;
  sent = 0;
  outbox = new Outbox(wire, 64 * MIB, (bytes) => (sent += bytes));
});

function order(): number[] {
  return framesIn(Buffer.concat(wire.written)).map(({ stream }) => stream);
}

/** Lets everything leave, again and again. */
async function drain(): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet++) {
    await turn();
    while (wire.deliver(16_384) > 0) quiet = 0;
  }
}

test('a stream with much to send does not keep another from its turn', async () => {
  const large = new Sender(1, 8 * MIB, () => outbox);
  const small = new Sender(2, 1_000, () => outbox);
  outbox.waitForRoom(large.stream);
  outbox.waitForRoom(small.stream);
  await turn();
  expect(small.left).toBe(0);
  expect(large.left).toBeGreaterThan(7 * MIB);
  await drain();
  expect(large.left).toBe(0);
  expect(sent).toBe(8 * MIB + 1_000);
});

test('streams with much to send have turns of the same size, one after the other', async () => {
  const senders = [1, 2, 3].map((id) => new Sender(id, 2 * MIB, () => outbox));
  for (const sender of senders) outbox.waitForRoom(sender.stream);
  await drain();
  expect(senders.map(({ left }) => left)).toEqual([0, 0, 0]);
  const turns = order();
  const shares = [0, 0, 0];
  for (const id of turns) {
    shares[id - 1]! += 1;
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(2);
  }
});

test('when more waits to leave than the connection takes, nothing is added until most of it has left', async () => {
  const large = new Sender(1, 4 * MIB, () => outbox);
  outbox.waitForRoom(large.stream);
  for (let turns = 0; turns < 10; turns++) await turn();
  expect(outbox.congested).toBe(true);
  const stopped = outbox.backlog;
  expect(stopped).toBeGreaterThanOrEqual(262_144);
  expect(stopped).toBeLessThan(262_144 + 2 * 65_544);
  expect(outbox.data(2, chunk, 0, 10)).toBe(0);
  while (outbox.congested) expect(wire.deliver(1_000)).toBeGreaterThan(0);
  expect(outbox.backlog).toBeLessThanOrEqual(65_536);
  await drain();
  expect(large.left).toBe(0);
});

test('what all streams together may send is never passed', async () => {
  outbox = new Outbox(wire, 100_000, (bytes) => (sent += bytes));
  const senders = [1, 2].map((id) => new Sender(id, MIB, () => outbox));
  for (const sender of senders) outbox.waitForRoom(sender.stream);
  await drain();
  expect(sent).toBe(100_000);
  expect(outbox.addCredit(1)).toBe(true);
  await drain();
  expect(sent).toBe(100_001);
  outbox.addCredit(10 * MIB);
  await drain();
  expect(sent).toBe(2 * MIB);
});

test('more credit than a window can hold is noticed', () => {
  expect(outbox.addCredit(0x7fff_ffff - 64 * MIB)).toBe(true);
  expect(outbox.addCredit(1)).toBe(false);
});

test('frames of one turn leave in one write, control frames too', async () => {
  for (let id = 1; id <= 100; id++) outbox.data(id, chunk, chunk.length - 10, 10);
  outbox.end(1);
  outbox.accept(2);
  outbox.credit(3, 77);
  outbox.reset(4, { code: 9, text: 'gone' });
  expect(wire.written).toEqual([]);
  await turn();
  expect(wire.written).toHaveLength(1);
  expect(order()).toHaveLength(104);
});

test('what is small enough for one turn leaves at once when it is much', () => {
  for (let part = 0; part < 4; part++) outbox.data(1, chunk, 0, chunk.length);
  expect(wire.written.length).toBeGreaterThan(0);
});

test('a stream that has nothing more to send has no turn', async () => {
  const one = new Sender(1, 10, () => outbox);
  outbox.waitForRoom(one.stream);
  outbox.forget(one.stream);
  await drain();
  expect(one.left).toBe(10);
});

test('progress is whenever something left', async () => {
  outbox.frame(FRAME.ping, 0, Buffer.alloc(8));
  await turn();
  const before = outbox.progress;
  wire.deliver(3);
  expect(outbox.progress).toBe(before);
  wire.deliver(100);
  expect(outbox.progress).toBeGreaterThan(before);
});

test('after the stop nothing leaves', async () => {
  const one = new Sender(1, 10, () => outbox);
  outbox.waitForRoom(one.stream);
  outbox.end(3);
  outbox.stop();
  outbox.flush();
  await drain();
  expect(order()).toEqual([]);
  expect(one.left).toBe(10);
});
