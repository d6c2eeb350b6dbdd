import { clientHello } from './client-hello.fake.ts';
import { MAX_CLIENT_HELLO_BYTES, MAX_GREETING_BYTES, greetingOf } from './client-hello.ts';

function record(fragment: Buffer, type = 22): Buffer {
  const header = Buffer.from([type, 3, 1, 0, 0]);
  header.writeUInt16BE(fragment.length, 3);
  return Buffer.concat([header, fragment]);
}

function hello(length: number, type = 1): Buffer {
  const message = Buffer.alloc(4 + length, 0x61);
  message.writeUInt32BE(length, 0);
  message[0] = type;
  return message;
}

test('a ClientHello is whole with its last byte and not before', async () => {
  const bytes = await clientHello();
  for (let length = 0; length < bytes.length; length++)
    expect(greetingOf(bytes.subarray(0, length))).toBeUndefined();
  expect(greetingOf(bytes)).toBe('tls');
  expect(greetingOf(Buffer.concat([bytes, Buffer.from('more')]))).toBe('tls');
});

test('a ClientHello may come in several records', () => {
  const message = hello(600);
  const bytes = Buffer.concat(
    [message.subarray(0, 4), message.subarray(4, 5), message.subarray(5)].map((one) => record(one)),
  );
  expect(greetingOf(bytes.subarray(0, -1))).toBeUndefined();
  expect(greetingOf(bytes)).toBe('tls');
});

test.each([
  ['a request', Buffer.from('GET / HTTP/1.1'), 'cleartext'],
  ['an alert', record(Buffer.from([2, 40]), 21), 'cleartext'],
  ['a record of an older protocol', Buffer.from([22, 2, 0, 0, 10, 1]), 'malformed'],
  ['an empty record', Buffer.from([22, 3, 1, 0, 0]), 'malformed'],
  ['a record that is longer than records are', Buffer.from([22, 3, 1, 0x40, 0x01]), 'malformed'],
  ['another message', record(hello(100, 2)), 'malformed'],
  [
    'a ClientHello that is longer than is taken',
    record(hello(MAX_CLIENT_HELLO_BYTES).subarray(0, 50)),
    'malformed',
  ],
  ['a first record without the header of the message', record(Buffer.from([1, 0])), 'malformed'],
  [
    'something else between its records',
    Buffer.concat([record(hello(100).subarray(0, 50)), record(Buffer.alloc(60), 23)]),
    'malformed',
  ],
  [
    'very many records',
    Buffer.concat([
      record(hello(100).subarray(0, 4)),
      ...Array.from({ length: 50 }, () => record(Buffer.alloc(1))),
    ]),
    'malformed',
  ],
])('%s is none', (_what, bytes, greeting) => {
  expect(greetingOf(bytes)).toBe(greeting);
});

test('the longest that is taken fits into what is held', () => {
  const message = hello(MAX_CLIENT_HELLO_BYTES - 4);
  const pieces = Array.from({ length: 16 }, (_, index) =>
    record(message.subarray(index * 1_024, (index + 1) * 1_024)),
  );
  const bytes = Buffer.concat(pieces);
  expect(greetingOf(bytes)).toBe('tls');
  expect(bytes.length).toBeLessThanOrEqual(MAX_GREETING_BYTES);
});
