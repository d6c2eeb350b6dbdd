import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import { AddressClaims } from './address-claims.ts';
import { meshPod, registration } from './catalog-objects.fake.ts';

const follow = (...pods: Pod[]) => {
  const claims = new AddressClaims(() => true);
  const cache = new FakeCache(pods);
  const touched: string[] = [];
  claims.follow(cache, (namespace) => touched.push(namespace));
  return { claims, cache, touched };
};

describe('the claim of a pod on its address', () => {
  const mine = meshPod('a', 'db', { address: '10.1.0.1' });
  const theirs = meshPod('b', 'evil', { address: '10.1.0.1', namespace: 'evil' });

  test('is its own when no other pod has it', () => {
    const { claims } = follow(mine, meshPod('c', 'db', { address: '10.1.0.2' }));
    expect(claims.holds(mine, '10.1.0.1')).toBe('alone');
  });

  test('is disputed when a pod of any namespace has it too, on both sides, until one is gone', () => {
    const { claims, cache, touched } = follow(mine, theirs);
    expect([claims.holds(mine, '10.1.0.1'), claims.holds(theirs, '10.1.0.1')]).toEqual([
      'disputed',
      'disputed',
    ]);
    cache.remove('evil/b');
    expect(claims.holds(mine, '10.1.0.1')).toBe('alone');
    expect(touched.sort()).toEqual(['evil', 'shop']);
  });

  test('goes to the pod that stays when the other is leaving', () => {
    const leaving = meshPod('a', 'db', { address: '10.1.0.1', deleted: true });
    const { claims } = follow(leaving, theirs);
    expect([claims.holds(leaving, '10.1.0.1'), claims.holds(theirs, '10.1.0.1')]).toEqual(['no', 'alone']);
  });

  test('is found whichever way the address is written', () => {
    const six = meshPod('a', 'db', { address: 'fd00:0::1' });
    const { claims } = follow(six, meshPod('b', 'evil', { address: 'FD00::1', namespace: 'evil' }));
    expect(claims.holds(six, 'fd00::1')).toBe('disputed');
  });
});

describe('the claim of a process outside of pods', () => {
  const one = registration('r1', 'db', '10.9.0.1', 40_001);
  const two = registration('r2', 'cache', '10.9.0.1', 40_002);

  test('shares its machine’s address with those whose sidecars have other ports', () => {
    const { claims } = follow(one, two);
    expect([claims.holds(one, '10.9.0.1'), claims.holds(two, '10.9.0.1')]).toEqual(['alone', 'alone']);
  });

  test('is disputed by one with the same port, and yields to any pod', () => {
    const same = registration('r3', 'evil', '10.9.0.1', 40_001);
    expect(follow(one, same).claims.holds(one, '10.9.0.1')).toBe('disputed');
    const pod = meshPod('p', 'web', { address: '10.9.0.1' });
    const { claims } = follow(one, pod);
    expect([claims.holds(one, '10.9.0.1'), claims.holds(pod, '10.9.0.1')]).toEqual(['no', 'alone']);
  });
});

test('a claim that is not vouched for counts for nothing, and counts once it is', () => {
  let proven = false;
  const mine = registration('r1', 'db');
  const rival = registration('r2', 'evil');
  const claims = new AddressClaims((pod) => pod.metadata.name === 'r1' || proven);
  claims.follow(new FakeCache([mine, rival]), () => undefined);
  expect(claims.holds(mine, '10.9.0.1')).toBe('alone');
  proven = true;
  expect(claims.refresh(rival)).toContain('shop');
  expect(claims.holds(mine, '10.9.0.1')).toBe('disputed');
});
