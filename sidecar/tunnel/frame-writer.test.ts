import * as fc from 'fast-check';

import { FrameWriter } from './frame-writer.ts';
import { framesIn, numberBytes } from './frames.fake.ts';
import type { Frame } from './frames.fake.ts';
import { FRAME, HEADER_BYTES, MAX_PAYLOAD } from './protocol.ts';

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

/** Jest's own comparison takes seconds for so many bytes. */
function sameFrame(one: Frame, other: Frame): boolean {
  return one.type === other.type && one.stream === other.stream && one.payload.equals(other.payload);
}

test('what is written is read again, in order, and nothing that was taken changes afterwards', () => {
  fc.assert(
    fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
      const writer = new FrameWriter();
      const expected: Frame[] = [];
      const taken: Buffer[] = [];
      let collected = 0;
      for (const what of calls) {
        if (what.kind === 'take') {
          taken.push(...writer.take());
          collected = 0;
        } else {
          const frame = make(writer, what);
          expected.push(frame);
          collected += HEADER_BYTES + frame.payload.length;
        }
        expect(writer.bytes).toBe(collected);
      }
      taken.push(...writer.take());
      expect(writer.bytes).toBe(0);
      const read = framesIn(Buffer.concat(taken));
      expect(read).toHaveLength(expected.length);
      expect(read.findIndex((frame, index) => !sameFrame(frame, expected[index]!))).toBe(-1);
    }),
    { numRuns: 150 },
  );
});

test('many small frames leave as few buffers', () => {
  const writer = new FrameWriter();
  for (let id = 1; id <= 1_000; id++) writer.data(id, Buffer.from('hello'), 0, 5);
  expect(writer.take()).toHaveLength(1);
});

test('a long payload is not copied', () => {
  const writer = new FrameWriter();
  const long = Buffer.alloc(20_000, 3);
  writer.data(1, long, 0, long.length);
  expect(writer.take().some((part) => part.buffer === long.buffer)).toBe(true);
});

test('no frame is longer than any may be', () => {
  const chunks = Buffer.alloc(MAX_PAYLOAD + 1);
  expect(() => new FrameWriter().data(1, chunks, 0, chunks.length)).toThrow(RangeError);
});

test('nothing to take is nothing taken', () => {
  const writer = new FrameWriter();
  expect(writer.take()).toEqual([]);
  writer.frame(FRAME.end, 1);
  expect(writer.take()).toHaveLength(1);
  expect(writer.take()).toEqual([]);
});
