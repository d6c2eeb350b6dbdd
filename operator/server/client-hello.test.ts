import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

import fc from 'fast-check';

import { MAX_GREETING_BYTES, greetingOf } from './client-hello.ts';

/** The first bytes that a TLS client of this machine sends. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectTls({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [ReturnType<typeof connect>];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

const record = (payload: Buffer): Buffer => {
  const header = Buffer.from([22, 3, 1, 0, 0]);
  header.writeUInt16BE(payload.length, 3);
  return Buffer.concat([header, payload]);
};

test('a real ClientHello is complete with its last byte and not before', async () => {
  const bytes = await clientHello();
  expect(greetingOf(bytes)).toBe('complete');
  for (let length = 0; length < bytes.length; length++)
    expect([length, greetingOf(bytes.subarray(0, length))]).toEqual([length, 'incomplete']);
});

test('a ClientHello in several records is complete with its last byte', async () => {
  const message = (await clientHello()).subarray(5);
  const parts = Buffer.concat([
    record(message.subarray(0, 10)),
    record(message.subarray(10, 11)),
    record(message.subarray(11)),
  ]);
  expect(greetingOf(parts)).toBe('complete');
  expect(greetingOf(parts.subarray(0, -1))).toBe('incomplete');
});

test.each([
  ['cleartext HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ['another message than ClientHello', record(Buffer.from([2, 0, 0, 1, 0]))],
  ['a record of no bytes', record(Buffer.alloc(0))],
  ['a record that is too long', Buffer.from([22, 3, 1, 0xff, 0xff])],
  ['a message that is too long', record(Buffer.from([1, 1, 0, 0, 0]))],
  ['another version of records', Buffer.from([22, 2, 0, 0, 5])],
  [
    'many records of one byte',
    Buffer.concat([
      record(Buffer.from([1, 0, 1, 0])),
      ...Array.from({ length: 20 }, () => record(Buffer.from([0]))),
    ]),
  ],
])('%s is malformed', (_what, bytes) => {
  expect(greetingOf(bytes)).toBe('malformed');
});

test('whatever comes is judged, and never incomplete beyond the longest greeting', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(['complete', 'incomplete', 'malformed']).toContain(greetingOf(Buffer.from(bytes)));
    }),
  );
  const longest = Buffer.concat([
    record(Buffer.from([1, 0, 0x3f, 0xfc])),
    Buffer.alloc(MAX_GREETING_BYTES, 22),
  ]);
  expect(greetingOf(longest)).not.toBe('incomplete');
});
