import { canonicalAddress } from './address.ts';

describe('canonicalAddress', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:10.0.0.1', '10.0.0.1'],
    ['FD00:0:0::0001', 'fd00::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['db.shop.svc', 'db.shop.svc'],
    ['not:an:address', 'not:an:address'],
    ['', ''],
  ])('writes %s as %s', (given, expected) => {
    expect(canonicalAddress(given)).toBe(expected);
  });
});
