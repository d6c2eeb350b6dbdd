import * as fc from 'fast-check';

import { FrameWriter } from './frame-writer.ts';
import { framesIn, numberBytes } from './frames.fake.ts';
import type { Frame } from './frames.fake.ts';
import { FRAME, HEADER_BYTES, MAX_PAYLOAD } from './protocol.ts';
import { SlabPool } from '../slab-pool.ts';
import type { Slab } from '../slab-pool.ts';

type Call =
  | { readonly kind: 'frame'; readonly type: number; readonly stream: number; readonly payload: Buffer }
  | { readonly kind: 'number'; readonly stream: number; readonly value: number }
  | { readonly kind: 'data'; readonly stream: number; readonly chunk: Buffer; readonly from: number }
  | { readonly kind: 'take' };

const stream = fc.integer({ min: 0, max: 0xffff_ffff });
const chunk = fc
  .oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 8_150, max: 8_250 }), fc.constant(MAX_PAYLOAD))
  .chain((length) => fc.integer({ min: 0, max: 255 }).map((fill) => Buffer.alloc(length, fill)));
const call: fc.Arbitrary<Call> = fc.oneof(
  fc.record({
    kind: fc.constant('frame' as const),
    type: fc.constantFrom<number>(FRAME.open, FRAME.reset, FRAME.ping),
    stream,
    payload: fc.uint8Array({ maxLength: 1_024 }).map((array) => Buffer.from(array)),
  }),
  fc.record({ kind: fc.constant('number' as const), stream, value: stream }),
  fc
    .record({
      kind: fc.constant('data' as const),
      stream,
      chunk,
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    .map(({ part, ...rest }) => ({ ...rest, from: Math.floor(part * rest.chunk.length) })),
  fc.record({ kind: fc.constant('take' as const) }),
);

/** Makes a call, and says which frame it should have left. */
function make(writer: FrameWriter, what: Exclude<Call, { kind: 'take' }>): Frame {
  if (what.kind === 'frame') {
    writer.frame(what.type, what.stream, what.payload);
    return { type: what.type, stream: what.stream, payload: what.payload };
  }
  if (what.kind === 'number') {
    writer.number(FRAME.credit, what.stream, what.value);
    return { type: FRAME.credit, stream: what.stream, payload: numberBytes(what.value) };
  }
  writer.data(what.stream, what.chunk, what.from, what.chunk.length);
  return { type: FRAME.data, stream: what.stream, payload: what.chunk.subarray(what.from) };
}

function bytesOf(slab: Slab | undefined): readonly Buffer[] {
  return slab ? [slab.memory.subarray(0, slab.used)] : [];
}

function lengthOf(what: Exclude<Call, { kind: 'take' }>): number {
  if (what.kind === 'number') return 4;
  return what.kind === 'frame' ? what.payload.length : what.chunk.length - what.from;
}

/** Jest's own comparison takes seconds for so many bytes. */
function sameFrame(one: Frame, other: Frame): boolean {
  return one.type === other.type && one.stream === other.stream && one.payload.equals(other.payload);
}

test('what is written is read again, in order, and nothing that was taken changes afterwards', () => {
  fc.assert(
    fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
      const writer = new FrameWriter(new SlabPool());
      const expected: Frame[] = [];
      const taken: Buffer[] = [];
      let collected = 0;
      for (const what of calls) {
        if (what.kind === 'take') {
          taken.push(...bytesOf(writer.take()));
          collected = 0;
        } else {
          if (!writer.fits(lengthOf(what))) {
            taken.push(...bytesOf(writer.take()));
            collected = 0;
          }
          const frame = make(writer, what);
          expected.push(frame);
          collected += HEADER_BYTES + frame.payload.length;
        }
        expect(writer.bytes).toBe(collected);
      }
      taken.push(...bytesOf(writer.take()));
      expect(writer.bytes).toBe(0);
      const read = framesIn(Buffer.concat(taken));
      expect(read).toHaveLength(expected.length);
      expect(read.findIndex((frame, index) => !sameFrame(frame, expected[index]!))).toBe(-1);
    }),
    { numRuns: 150 },
  );
});

test('many small frames leave as one buffer', () => {
  const writer = new FrameWriter(new SlabPool());
  for (let id = 1; id <= 1_000; id++) writer.data(id, Buffer.from('hello'), 0, 5);
  expect(writer.take()?.used).toBe(1_000 * (HEADER_BYTES + 5));
});

test('memory that was written is used again', () => {
  const pool = new SlabPool();
  const writer = new FrameWriter(pool);
  for (const length of [10, 60_000]) {
    writer.data(1, Buffer.alloc(length), 0, length);
    const slab = writer.take()!;
    pool.give(slab);
    writer.data(1, Buffer.alloc(length), 0, length);
    expect(writer.take()).toBe(slab);
  }
});

test('no frame is longer than any may be', () => {
  const chunks = Buffer.alloc(MAX_PAYLOAD + 1);
  expect(() => new FrameWriter(new SlabPool()).data(1, chunks, 0, chunks.length)).toThrow(RangeError);
});

test('nothing to take is nothing taken', () => {
  const writer = new FrameWriter(new SlabPool());
  expect(writer.take()).toBeUndefined();
  writer.frame(FRAME.end, 1);
  expect(writer.take()?.used).toBe(HEADER_BYTES);
  expect(writer.take()).toBeUndefined();
});
