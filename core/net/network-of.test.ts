import { networkOf } from './network-of.ts';

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['fd00:1:2:3::4', 'fd00:1:2:3::/64'],
  ['fd00:1:2:3:4:5:6:7', 'fd00:1:2:3::/64'],
  ['fd00:1:2::4', 'fd00:1:2:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['', ''],
])('%s is counted as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test('two addresses of one /64 are one network, however they are written', () => {
  expect(networkOf('fd00:1:2:3::1')).toBe(networkOf('fd00:1:2:3:ffff::2'));
  expect(networkOf('fd00:1:2:3::1')).not.toBe(networkOf('fd00:1:2:4::1'));
});
