import { parseServerHello } from './server-hello.ts';

interface Hello {
  readonly cipher?: number;
  readonly extensions?: readonly (readonly [number, string])[];
  readonly random?: string;
}

function record({ cipher = 0x1301, extensions = [], random = 'ab'.repeat(32) }: Hello): Buffer {
  const short = (value: number): string => value.toString(16).padStart(4, '0');
  const list = extensions.map(([type, data]) => `${short(type)}${short(data.length / 2)}${data}`).join('');
  const body = `0303${random}20${'00'.repeat(32)}${short(cipher)}00${short(list.length / 2)}${list}`;
  const hello = `02${(body.length / 2).toString(16).padStart(6, '0')}${body}`;
  return Buffer.from(`160303${short(hello.length / 2)}${hello}`, 'hex');
}

const TLS13 = [
  [43, '0304'],
  [51, '001d0002beef'],
] as const;

test('version, cipher and group of TLS 1.3', () => {
  expect(parseServerHello(record({ extensions: TLS13 }))).toEqual({
    version: 'TLS 1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    group: 'X25519',
    resumed: false,
  });
});

test('a session that goes on', () => {
  const hello = record({ extensions: [...TLS13, [41, '0000']] });
  expect(parseServerHello(hello)).toMatchObject({ resumed: true });
});

test('TLS 1.2 says its version in the old place', () => {
  expect(parseServerHello(record({ cipher: 0xc02b }))).toEqual({
    version: 'TLS 1.2',
    cipher: 'ECDHE-ECDSA-AES128-GCM-SHA256',
    resumed: false,
  });
});

test('a request for another ClientHello is passed over', () => {
  const retry = record({ random: `cf21ad74e59a6111${'00'.repeat(24)}`, extensions: [[43, '0304']] });
  const ccs = Buffer.from('140303000101', 'hex');
  const both = Buffer.concat([retry, ccs, record({ cipher: 0x1302, extensions: TLS13 })]);
  expect(parseServerHello(both)).toMatchObject({ cipher: 'TLS_AES_256_GCM_SHA384' });
});

test('half of one, and something else, are nothing', () => {
  expect(parseServerHello(record({ extensions: TLS13 }).subarray(0, 40))).toBeUndefined();
  expect(parseServerHello(Buffer.from('HTTP/1.1 400 Bad Request'))).toBeUndefined();
});
