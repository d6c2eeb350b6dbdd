import { KnownNetworks } from './known-networks.ts';

test('a network is known once it was added', () => {
  const known = new KnownNetworks(2);
  expect(known.has('a')).toBe(false);
  known.add('a');
  expect(known.has('a')).toBe(true);
});

test('beyond the limit the network whose last proof is oldest is dropped', () => {
  const known = new KnownNetworks(2);
  known.add('a');
  known.add('b');
  known.add('a');
  known.add('c');
  expect(['a', 'b', 'c'].map((network) => known.has(network))).toEqual([true, false, true]);
});
