import * as fc from 'fast-check';

import { ProtocolError } from './frame-reader.ts';
import {
  decodeCloseReason,
  decodeHello,
  decodeNumber,
  decodeOpen,
  encodeCloseReason,
  encodeHello,
  encodeOpen,
} from './payloads.ts';
import { BASE_LIMITS, MAX_TEXT_BYTES, MAX_WINDOW } from './protocol.ts';

const limit = (base: number) => fc.integer({ min: base, max: MAX_WINDOW });

test('a HELLO says what was put into it', () => {
  fc.assert(
    fc.property(
      fc.record({
        streamWindow: limit(BASE_LIMITS.streamWindow),
        connectionWindow: limit(BASE_LIMITS.connectionWindow),
        maxStreams: limit(BASE_LIMITS.maxStreams),
      }),
      (limits) => expect(decodeHello(encodeHello(limits))).toEqual(limits),
    ),
  );
});

/** A HELLO by hand: pairs of name and value. */
function hello(...pairs: readonly (readonly [number, number])[]): Buffer {
  return Buffer.concat(
    pairs.map(([name, value]) => {
      const pair = Buffer.alloc(6);
      pair.writeUInt16BE(name, 0);
      pair.writeUInt32BE(value, 2);
      return pair;
    }),
  );
}

test('an empty HELLO, and one that says what only newer versions know, means the base', () => {
  expect(decodeHello(hello())).toEqual(BASE_LIMITS);
  expect(decodeHello(hello([77, 1], [0xffff, 0]))).toEqual(BASE_LIMITS);
});

test('a value beyond any window is taken as the largest window', () => {
  expect(decodeHello(hello([1, 0xffff_ffff]))).toEqual({ ...BASE_LIMITS, streamWindow: MAX_WINDOW });
});

test.each([
  ['a stream window', 1, BASE_LIMITS.streamWindow],
  ['a connection window', 2, BASE_LIMITS.connectionWindow],
  ['a number of streams', 3, BASE_LIMITS.maxStreams],
])('%s below the base is refused', (_what, name, base) => {
  expect(() => decodeHello(hello([name, base - 1]))).toThrow(ProtocolError);
  expect(() => decodeHello(hello([name, 0]))).toThrow(ProtocolError);
});

test('a HELLO of half a pair is refused', () => {
  for (let length = 1; length < 18; length++) {
    if (length % 6 !== 0) expect(() => decodeHello(Buffer.alloc(length, 0xff))).toThrow('broken length');
  }
});

const destination = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([ip, port]) => `${ip}:${port}`),
  fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 65_535 })).map(([ip, port]) => `[${ip}]:${port}`),
);

test('an OPEN says what was put into it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 65_535 }), destination, (port, originalDestination) => {
      expect(decodeOpen(encodeOpen({ port }))).toEqual({ port });
      expect(decodeOpen(encodeOpen({ port, originalDestination }))).toEqual({ port, originalDestination });
    }),
  );
});

test.each([
  ['no port', Buffer.alloc(0)],
  ['half a port', Buffer.alloc(1)],
  ['port 0', Buffer.alloc(2)],
  ['a destination with a line break', Buffer.from('\x00\x5010.0.0.1:80\n')],
  ['a destination with spaces', Buffer.from('\x00\x5010.0.0.1:80 ')],
  ['a host name', Buffer.from('\x00\x50example.org:80')],
  ['bytes that are no text', Buffer.from([0, 80, 0xff, 0xfe])],
  ['a destination that is too long', Buffer.from(`\x00\x50${'1'.repeat(65)}`)],
])('an OPEN with %s is refused', (_what, payload) => {
  expect(() => decodeOpen(payload)).toThrow(ProtocolError);
});

test('a reason says what was put into it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 65_535 }),
      fc.string({ unit: fc.constantFrom('a', 'é', '統', '🦊', ' ', '"'), maxLength: 100 }),
      (code, text) => expect(decodeCloseReason(encodeCloseReason({ code, text }))).toEqual({ code, text }),
    ),
  );
});

test('a text that is too long is shortened, and the rest of it is still good', () => {
  for (const letter of ['x', 'é', '統', '🦊']) {
    const { code, text } = decodeCloseReason(encodeCloseReason({ code: 9, text: letter.repeat(700) }));
    expect(code).toBe(9);
    expect(text.startsWith(letter.repeat(149))).toBe(true);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_TEXT_BYTES + 2);
  }
});

test('no control character of a text gets into a log line', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: MAX_TEXT_BYTES }), (text) => {
      const decoded = decodeCloseReason(Buffer.concat([Buffer.from([0, 1]), text]));
      expect(decoded.text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    }),
  );
  expect(decodeCloseReason(encodeCloseReason({ code: 1, text: 'a\r\nb\u001b[31mc\u2028d' })).text).toBe(
    'a  b [31mc d',
  );
});

test.each([
  ['no code', Buffer.alloc(0)],
  ['half a code', Buffer.alloc(1)],
  ['a text that is too long', Buffer.alloc(2 + MAX_TEXT_BYTES + 1, 65)],
])('a reason with %s is refused', (_what, payload) => {
  expect(() => decodeCloseReason(payload)).toThrow(ProtocolError);
});

test('a number is four bytes', () => {
  expect(decodeNumber(Buffer.from([0xff, 0xff, 0xff, 0xfe]))).toBe(0xffff_fffe);
  for (const length of [0, 1, 3, 5, 8])
    expect(() => decodeNumber(Buffer.alloc(length))).toThrow(ProtocolError);
});

test('whatever bytes a payload is, reading it gives a value or a protocol error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_024 }), (array) => {
      for (const decode of [decodeHello, decodeOpen, decodeCloseReason, decodeNumber]) {
        try {
          decode(Buffer.from(array));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }
    }),
  );
});
