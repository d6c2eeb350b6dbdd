import { isIPv6 } from 'node:net';

import fc from 'fast-check';

import type { SpiffeId } from '#core/spiffe-id.ts';

import { canonicalAddress } from '#core/net/address.ts';
import { LOCAL_HEADER, PP2_TYPE_SPIFFE_ID, callerHeader } from './proxy-protocol.ts';
import { readHeader } from './testing/proxy-header.fake.ts';

const web = 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web' as SpiffeId;
const from4 = { address: '10.1.2.3', port: 40_000 };
const to4 = { address: '10.9.8.7', port: 5432 };

test('IPv4, byte by byte as the specification says', () => {
  expect(callerHeader({ source: from4, destination: to4 }).toString('hex')).toBe(
    '0d0a0d0a000d0a515549540a' + '21' + '11' + '000c' + '0a010203' + '0a090807' + '9c40' + '1538',
  );
});

test('IPv6, byte by byte as the specification says', () => {
  const source = { address: 'fd00::1:2', port: 40_000 };
  const destination = { address: '2001:db8:1:2:3:4:5:6', port: 5432 };
  expect(callerHeader({ source, destination }).toString('hex')).toBe(
    '0d0a0d0a000d0a515549540a' +
      '21' +
      '21' +
      '0024' +
      'fd000000000000000000000000010002' +
      '20010db8000100020003000400050006' +
      '9c40' +
      '1538',
  );
});

test('an identity is two TLVs: a verified certificate over TLS 1.3, and the SPIFFE ID', () => {
  const bytes = callerHeader({ source: from4, destination: to4, spiffeId: web });
  expect(bytes.subarray(28).toString('hex')).toBe(
    '20' +
      '000f' +
      '07' +
      '00000000' +
      '21' +
      '0007' +
      Buffer.from('TLSv1.3').toString('hex') +
      'e5' +
      '002d' +
      Buffer.from(web).toString('hex'),
  );
  expect(bytes.readUInt16BE(14)).toBe(bytes.length - 16);
});

test('a connection of the sidecar itself is LOCAL and says nothing else', () => {
  expect(LOCAL_HEADER.toString('hex')).toBe('0d0a0d0a000d0a515549540a' + '20' + '00' + '0000');
});

test('the type of the SPIFFE ID is of the range for applications', () => {
  expect(PP2_TYPE_SPIFFE_ID).toBeGreaterThanOrEqual(0xe0);
  expect(PP2_TYPE_SPIFFE_ID).toBeLessThanOrEqual(0xef);
});

test('an IPv4 address beside an IPv6 one is mapped, and a zone is left out', () => {
  const bytes = callerHeader({ source: from4, destination: { address: 'fe80::1%eth0', port: 1 } });
  expect(readHeader(bytes)).toMatchObject({
    family: 'TCP6',
    source: { address: '::ffff:a01:203', port: 40_000 },
    destination: { address: 'fe80::1', port: 1 },
  });
});

test('an independent reader gets back whatever is written, and finds the byte after the header', () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  const v4 = fc.record({ address: fc.ipV4(), port });
  const v6 = fc.record({ address: fc.ipV6().filter((address) => isIPv6(address)), port });
  const id = fc.option(
    fc.stringMatching(/^[a-z0-9/._-]{1,2000}$/).map((path) => `spiffe://x/${path}` as SpiffeId),
    { nil: undefined },
  );
  fc.assert(
    fc.property(fc.oneof(fc.tuple(v4, v4), fc.tuple(v6, v6)), id, ([source, destination], spiffeId) => {
      const bytes = callerHeader({ source, destination, ...(spiffeId === undefined ? {} : { spiffeId }) });
      const read = readHeader(Buffer.concat([bytes, Buffer.from('application')]));
      const canonical = ({ address, ...rest }: typeof source) => ({
        address: canonicalAddress(address),
        ...rest,
      });
      expect(read).toMatchObject({
        command: 'PROXY',
        source: canonical(source),
        destination: canonical(destination),
        rest: Buffer.from('application'),
      });
      expect(read?.spiffeId).toBe(spiffeId);
    }),
  );
});
