import { Writable } from 'node:stream';

import { heldMegabytes } from '../../testing/memory.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { SmallWrites } from './small-writes.ts';

/** Takes what it is given when it is told to. */
class Slow extends Writable {
  readonly got: Buffer[] = [];
  readonly #waiting: (() => void)[] = [];
  open = false;

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.got.push(Buffer.from(chunk));
    if (this.open) callback();
    else this.#waiting.push(callback);
  }

  go(): void {
    this.open = true;
    for (const callback of this.#waiting.splice(0)) callback();
  }

  get text(): string {
    return Buffer.concat(this.got).toString();
  }
}

let stream: Slow;
let rooms: number;
let small: SmallWrites;
beforeEach(() => {
  stream = new Slow({ highWaterMark: 1_000 });
  rooms = 0;
  small = new SmallWrites(stream, () => (rooms += 1));
});

test('a stream that takes them has every chunk at once', () => {
  stream.open = true;
  for (const text of ['a', 'b', 'c']) expect(small.write(Buffer.from(text))).toBe(true);
  expect(stream.got.map(String)).toEqual(['a', 'b', 'c']);
  expect(small.bytes).toBe(0);
});

test('one that does not has them in order, in few pieces, when it does', async () => {
  const text = Array.from({ length: 500 }, (_, index) => `${index},`).join('');
  for (const letter of text) small.write(Buffer.from(letter));
  expect(small.bytes).toBe(text.length - 2);
  stream.go();
  await eventually(() => stream.text === text);
  expect(stream.got.length).toBeLessThan(12);
});

test('when enough waits the writer is told so, and told when there is room', async () => {
  let more = true;
  let written = 0;
  for (; more; written++) more = small.write(Buffer.from('x'));
  expect(written).toBe(1_000);
  expect(small.write(Buffer.from('x'))).toBe(false);
  expect(rooms).toBe(0);
  stream.go();
  await eventually(() => rooms > 0);
  expect(stream.text.length).toBe(1_001);
  expect(small.write(Buffer.from('x'))).toBe(true);
});

test('what is to follow directly comes after everything that waits', async () => {
  for (const letter of 'first ') small.write(Buffer.from(letter));
  small.flush();
  stream.write('then');
  stream.go();
  await eventually(() => stream.text === 'first then');
});

test('a stream that was destroyed gets nothing more', async () => {
  stream.on('error', () => undefined);
  for (const letter of 'abc') small.write(Buffer.from(letter));
  stream.destroy();
  stream.go();
  await eventually(() => stream.closed);
  expect(stream.text).toBe('a');
});

test('a reader that stops costs what waits for it, not all that came with it', async () => {
  stream = new Slow({ highWaterMark: 1_048_576 });
  small = new SmallWrites(stream, () => undefined);
  const before = await heldMegabytes();
  for (let count = 0; count < 10_000; count++) small.write(Buffer.allocUnsafeSlow(16_384).subarray(5, 6));
  expect((await heldMegabytes()) - before).toBeLessThan(3);
  stream.go();
});
