import { parseSockaddr } from './sockaddr.ts';

function v4(...address: number[]): Buffer {
  return Buffer.from([2, 0, 0x15, 0x38, ...address, 0, 0, 0, 0, 0, 0, 0, 0]);
}

function v6(hex: string): Buffer {
  return Buffer.concat([
    Buffer.from([10, 0, 0x15, 0x38, 0, 0, 0, 0]),
    Buffer.from(hex, 'hex'),
    Buffer.alloc(4),
  ]);
}

test('an IPv4 address', () => {
  expect(parseSockaddr(v4(10, 215, 3, 4))).toEqual({ address: '10.215.3.4', port: 5432 });
});

test.each([
  ['fd000000000000000000000000000001', 'fd00::1'],
  ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
  ['00000000000000000000000000000001', '::1'],
  ['00000000000000000000000000000000', '::'],
  ['20010db8000100020003000400050006', '2001:db8:1:2:3:4:5:6'],
  ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
  ['fe800000000000000000000000000000', 'fe80::'],
  ['00000000000000000000ffff0a000001', '10.0.0.1'],
])('IPv6 %s is written %s', (hex, address) => {
  expect(parseSockaddr(v6(hex))).toEqual({ address, port: 5432 });
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['another family', Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])],
  ['an IPv6 address cut short', v6('fd000000000000000000000000000001').subarray(0, 20)],
])('%s is not a valid address', (_what, bytes) => {
  expect(parseSockaddr(bytes)).toBeUndefined();
});
