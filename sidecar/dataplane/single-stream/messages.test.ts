import { PassThrough } from 'node:stream';

import fc from 'fast-check';

import { systemClock } from '#base/clock.ts';

import { chooseAlpn } from '../transport/alpn.ts';
import { MAX_FRAME_BYTES, encodeFrame, readFrame } from './frame.ts';
import { encodeStreamHeader, parseStreamHeader } from './stream-header.ts';
import { encodeVerdict, parseVerdict } from './verdict.ts';

function stream(...chunks: readonly Uint8Array[]): PassThrough {
  const made = new PassThrough();
  for (const chunk of chunks) made.write(chunk);
  return made;
}

function read(from: PassThrough): Promise<unknown> {
  return readFrame(from, systemClock, 5_000);
}

test('a frame that was written is read back, however it is cut up, and what follows stays', async () => {
  const rest = Buffer.from('rest');
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 65535 }),
      fc.integer({ min: 1, max: 7 }),
      async (port, step) => {
        const bytes = Buffer.concat([encodeFrame({ port }), rest]);
        const chunks = [];
        for (let at = 0; at < bytes.length; at += step) chunks.push(bytes.subarray(at, at + step));
        const from = stream(...chunks);
        expect(await read(from)).toEqual({ port });
        expect((from.read() as Buffer).toString()).toBe('rest');
      },
    ),
    { numRuns: 50 },
  );
});

test('any bytes at all give a message or a fault, never a crash', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
      const from = stream(bytes);
      from.end();
      const message = await read(from).catch((error: Error) => error);
      if (!(message instanceof Error)) parseStreamHeader(message);
    }),
    { numRuns: 200 },
  );
});

test('any JSON at all is a header or none, a verdict or none', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const header = parseStreamHeader(value);
      if (header) expect(Number.isInteger(header.port)).toBe(true);
      parseVerdict(value);
    }),
  );
});

test.each([
  ['a port that is text', { port: '5432' }],
  ['port 0', { port: 0 }],
  ['a port beyond all', { port: 65536 }],
  ['half a port', { port: 1.5 }],
  ['an original destination with words', { port: 1, originalDestination: 'db:5432\nforged' }],
  ['an overlong original destination', { port: 1, originalDestination: '1'.repeat(65) }],
  ['no original destination at all', { port: 1, originalDestination: null }],
])('%s makes no header', (_what, message) => {
  expect(parseStreamHeader(message)).toBeUndefined();
});

test.each([
  ['an answer that is neither', { ok: 'true' }],
  ['a refusal without a reason', { ok: false, code: 'denied' }],
  ['a refusal without a code', { ok: false, reason: 'no' }],
  ['an overlong code', { ok: false, code: 'x'.repeat(65), reason: '' }],
  ['an overlong reason', { ok: false, code: 'denied', reason: 'x'.repeat(601) }],
])('%s makes no verdict', (_what, message) => {
  expect(parseVerdict(message)).toBeUndefined();
});

test('what a newer peer adds is passed over', () => {
  expect(parseStreamHeader({ port: 1, more: {} })).toEqual({ port: 1 });
  expect(parseVerdict({ ok: true, more: {} })).toEqual({ ok: true });
  expect(parseVerdict({ ok: false, code: 'of-later', reason: 'r', more: 1 })).toEqual({
    ok: false,
    code: 'of-later',
    reason: 'r',
  });
});

test('no listener is left on the stream', async () => {
  const from = stream(encodeFrame({ port: 1 }));
  const before = from.eventNames().length;
  await read(from);
  expect(from.eventNames().length).toBe(before);
});

test('a frame longer than allowed is not written', () => {
  expect(() => encodeFrame({ text: 'x'.repeat(MAX_FRAME_BYTES) })).toThrow(RangeError);
});

test.each([
  ['an overlong reason', 'x'.repeat(5_000)],
  ['a reason of other alphabets and controls', '\u0000"\\😀\n'.repeat(500)],
])('%s still fits into a verdict', async (_what, reason) => {
  const verdict = parseVerdict(await read(stream(encodeVerdict({ ok: false, code: 'denied', reason }))));
  expect(verdict).toMatchObject({ ok: false, code: 'denied' });
});

test("control characters in a peer's reason do not reach our log", () => {
  const verdict = parseVerdict({ ok: false, code: 'denied', reason: 'no\n{"msg":"forged"}\u001b[2J' });
  expect(verdict).toEqual({ ok: false, code: 'denied', reason: 'no {"msg":"forged"} [2J' });
});

test('a header carries the original destination in both address families', async () => {
  for (const originalDestination of ['10.215.3.4:5432', '[fd00::1]:5432']) {
    const header = { port: 5432, originalDestination };
    expect(parseStreamHeader(await read(stream(encodeStreamHeader(header))))).toEqual(header);
  }
});

test.each([
  [['mesh-stream/1'], 'mesh-stream/1'],
  [['mesh-stream/1', 'mesh/1'], 'mesh/1'],
  [['mesh-control/1'], 'mesh-control/1'],
  [['h2'], 'h2'],
  [['h2', 'http/1.1'], 'http/1.1'],
  [['something'], 'something'],
])('of %j the inbound side takes %s', (offered, taken) => {
  expect(chooseAlpn(offered, true)).toBe(taken);
});

test('an inbound side that speaks no tunnels takes none', () => {
  expect(chooseAlpn(['mesh/1', 'mesh-stream/1'], false)).toBe('mesh-stream/1');
});
