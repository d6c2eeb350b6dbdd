import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../control-loop/cache.fake.ts';
import { memberSpec } from '../resources/member.fake.ts';
import { PodNetworks } from './pod-networks.ts';

const RULES = { outside: true, address: 'required' } as const;

const pod = (name: string, ...ips: string[]): Pod => ({
  metadata: { namespace: 'shop', name, labels: { 'mesh.dev/injected': 'native' } },
  spec: memberSpec('web'),
  status: ips.length === 0 ? {} : { podIP: ips[0]!, podIPs: ips.map((ip) => ({ ip })) },
});

test('the networks of pods that are there, that come, and no longer of those that go', () => {
  const pods = new FakeCache([pod('a', '10.0.0.1', 'fd00::1')]);
  const networks = new PodNetworks(pods, RULES);
  expect(networks.has('10.0.0.1')).toBe(true);
  expect(networks.has('fd00:0:0:0::/64')).toBe(true);
  expect(networks.has('10.0.0.2')).toBe(false);
  pods.put(pod('b', '10.0.0.2'));
  expect(networks.has('10.0.0.2')).toBe(true);
  pods.remove('shop/b');
  expect(networks.has('10.0.0.2')).toBe(false);
});

test('a pod that is given an address later, or another one', () => {
  const pods = new FakeCache([pod('a')]);
  const networks = new PodNetworks(pods, RULES);
  pods.put(pod('a', '10.0.0.1'));
  expect(networks.has('10.0.0.1')).toBe(true);
  pods.put(pod('a', '10.0.0.2'));
  expect([networks.has('10.0.0.1'), networks.has('10.0.0.2')]).toEqual([false, true]);
});

test('a network stays known while one of its pods is there', () => {
  const pods = new FakeCache([pod('a', 'fd00::1'), pod('b', 'fd00::2')]);
  const networks = new PodNetworks(pods, RULES);
  pods.remove('shop/a');
  expect(networks.has('fd00:0:0:0::/64')).toBe(true);
  pods.remove('shop/b');
  expect(networks.has('fd00:0:0:0::/64')).toBe(false);
});

test('a pod that only has the label of members counts for none', () => {
  const bare = { ...pod('a', '10.0.0.1'), spec: { containers: [{ name: 'app' }] } };
  expect(new PodNetworks(new FakeCache([bare]), RULES).has('10.0.0.1')).toBe(false);
});
