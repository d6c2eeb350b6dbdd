import * as fc from 'fast-check';

import { FrameReader, ProtocolError } from './frame-reader.ts';
import type { FrameHandler } from './frame-reader.ts';
import { frameBytes } from './frames.fake.ts';
import type { Frame } from './frames.fake.ts';
import { FRAME, MAX_CONTROL_PAYLOAD, MAX_PAYLOAD } from './protocol.ts';

/** Puts frames together again from what a reader tells. */
class Collector implements FrameHandler {
  readonly frames: Frame[] = [];
  #left = 0;
  #pieces: Buffer[] = [];
  #stream = 0;

  dataBegins(stream: number, length: number): void {
    expect(this.#left).toBe(0);
    this.#stream = stream;
    this.#left = length;
    this.#pieces = [];
    if (length === 0) this.#finish();
  }

  dataPiece(piece: Buffer): void {
    expect(piece.length).toBeGreaterThan(0);
    this.#pieces.push(Buffer.from(piece));
    this.#left -= piece.length;
    expect(this.#left).toBeGreaterThanOrEqual(0);
    if (this.#left === 0) this.#finish();
  }

  frame(type: number, stream: number, payload: Buffer): void {
    expect(this.#left).toBe(0);
    this.frames.push({ type, stream, payload: Buffer.from(payload) });
  }

  #finish(): void {
    this.frames.push({ type: FRAME.data, stream: this.#stream, payload: Buffer.concat(this.#pieces) });
  }
}

const KNOWN = Object.values(FRAME).filter((type) => type !== FRAME.data);
const bytes = (most: number) =>
  fc
    .integer({ min: 0, max: most })
    .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
const stream = fc.integer({ min: 0, max: 0xffff_ffff });
const frame: fc.Arbitrary<Frame> = fc
  .oneof(
    fc.record({ type: fc.constant(FRAME.data as number), stream, payload: bytes(300) }),
    fc.record({ type: fc.constantFrom<number>(...KNOWN), stream, payload: bytes(MAX_CONTROL_PAYLOAD) }),
    fc.record({ type: fc.integer({ min: 11, max: 255 }), stream, payload: bytes(3_000) }),
  )
  .map(({ type, stream: id, payload }) => ({ type, stream: id, payload: Buffer.from(payload) }));

/** Cuts bytes at arbitrary places. */
function* cut(whole: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let turn = 0; at < whole.length; turn++) {
    const end = at + (sizes[turn % sizes.length] ?? whole.length);
    yield whole.subarray(at, end);
    at = end;
  }
}

/** What a reader of this version tells of a frame: the payload of an unknown one is let go. */
function told({ type, stream: id, payload }: Frame): Frame {
  return { type, stream: id, payload: type > FRAME.vouch ? Buffer.alloc(0) : payload };
}

const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 });

test('however frames are cut up, the same frames come out', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), sizes, (frames, chunks) => {
      const collector = new Collector();
      const reader = new FrameReader(collector);
      const whole = Buffer.concat(
        frames.map(({ type, stream: id, payload }) => frameBytes(type, id, payload)),
      );
      for (const chunk of cut(whole, chunks)) reader.push(chunk);
      expect(collector.frames).toEqual(frames.map(told));
    }),
    { numRuns: 200 },
  );
});

test('any bytes are frames or a protocol error, and nothing else', () => {
  const whole = fc.oneof(
    bytes(2_000).map((array) => Buffer.from(array)),
    // Lengths that are small by chance get past the header.
    fc
      .array(fc.tuple(bytes(20), fc.integer({ min: 0, max: 14 }), stream), { maxLength: 20 })
      .map((parts) => Buffer.concat(parts.map(([payload, type, id]) => frameBytes(type, id, payload)))),
  );
  fc.assert(
    fc.property(whole, sizes, (input, chunks) => {
      const reader = new FrameReader(new Collector());
      try {
        for (const chunk of cut(input, chunks)) reader.push(chunk);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
    { numRuns: 300 },
  );
});

test('data is handed on as views of what arrived, and only that', () => {
  const pieces: Buffer[] = [];
  const reader = new FrameReader({
    dataBegins: () => undefined,
    dataPiece: (piece) => void pieces.push(piece),
    frame: () => undefined,
  });
  const whole = frameBytes(FRAME.data, 1, Buffer.alloc(10_000, 7));
  reader.push(whole);
  expect(pieces).toHaveLength(1);
  expect(pieces[0]!.buffer).toBe(whole.buffer);
});

test('a control frame that comes byte by byte is held in one kibibyte, however many follow', () => {
  const one = frameBytes(FRAME.goAway, 0, Buffer.alloc(MAX_CONTROL_PAYLOAD, 1));
  const payloads = new Set<ArrayBufferLike>();
  let held = 0;
  const reader = new FrameReader({
    dataBegins: () => undefined,
    dataPiece: () => undefined,
    frame: (_type, _stream, payload) => {
      payloads.add(payload.buffer);
      held = payload.buffer.byteLength;
    },
  });
  for (let turn = 0; turn < 5; turn++) for (const byte of one) reader.push(Buffer.from([byte]));
  expect(payloads.size).toBe(1);
  expect(held).toBeLessThanOrEqual(MAX_CONTROL_PAYLOAD);
});

test.each([
  ['a control frame that is too long', FRAME.ping, MAX_CONTROL_PAYLOAD + 1, 'a control frame of 1025 bytes'],
  ['data that is too long', FRAME.data, MAX_PAYLOAD + 1, 'a frame of 65537 bytes'],
  ['a frame of a newer version that is too long', 200, MAX_PAYLOAD + 1, 'a frame of 65537 bytes'],
  ['the longest length there is', FRAME.data, 0xff_ffff, 'a frame of 16777215 bytes'],
])('%s is refused by its header alone', (_what, type, length, message) => {
  const header = Buffer.alloc(8);
  header.writeUIntBE(length, 0, 3);
  header.writeUInt8(type, 3);
  const collector = new Collector();
  const reader = new FrameReader(collector);
  expect(() => reader.push(header)).toThrow(
    new ProtocolError(
      `${message}; at most ${type === FRAME.ping ? MAX_CONTROL_PAYLOAD : MAX_PAYLOAD} are allowed`,
    ),
  );
  expect(collector.frames).toEqual([]);
});

test('frames of a newer version, as long as any, are passed over', () => {
  const collector = new Collector();
  const reader = new FrameReader(collector);
  reader.push(
    Buffer.concat([
      frameBytes(99, 5, Buffer.alloc(MAX_PAYLOAD, 9)),
      frameBytes(FRAME.ping, 0, Buffer.from('12345678')),
    ]),
  );
  expect(collector.frames).toEqual([
    { type: 99, stream: 5, payload: Buffer.alloc(0) },
    { type: FRAME.ping, stream: 0, payload: Buffer.from('12345678') },
  ]);
});

test('a reader that was stopped in the middle of a chunk reads no further', () => {
  const seen: number[] = [];
  const reader: FrameReader = new FrameReader({
    dataBegins: () => undefined,
    dataPiece: () => undefined,
    frame: (_type, id) => {
      seen.push(id);
      if (id === 2) reader.stop();
    },
  });
  reader.push(Buffer.concat([1, 2, 3].map((id) => frameBytes(FRAME.end, id))));
  reader.push(frameBytes(FRAME.end, 4));
  expect(seen).toEqual([1, 2]);
});
