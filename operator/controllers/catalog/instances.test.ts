import type { Pod } from '#kube/types.ts';

import { memberSpec } from '../../resources/member.fake.ts';
import { meshPod, registration } from './catalog-objects.fake.ts';
import { isVouched } from './instances.ts';

const RULES = { outside: true, address: 'required' } as const;

describe('a pod is an instance of its service', () => {
  const ordinary = meshPod('p', 'db');
  test.each<[string, Pod, boolean]>([
    ['with our sidecar in its spec and an address from the kubelet', ordinary, true],
    [
      'with an ordinary container as sidecar',
      {
        ...ordinary,
        spec: { ...memberSpec('db', 'db', 'ordinary'), nodeName: 'n1' },
      },
      true,
    ],
    ['not by its labels alone', meshPod('p', 'db', { bare: true }), false],
    [
      'not of a service that its label alone names',
      meshPod('p', 'db', { labels: { 'mesh.dev/service': 'web' } }),
      false,
    ],
    ['not before the kubelet has begun it', meshPod('p', 'db', { address: '' }), false],
    [
      'not on no node, whatever its status says',
      { ...ordinary, spec: { ...ordinary.spec!, nodeName: undefined } as never },
      false,
    ],
    ['not with the address of its node', meshPod('p', 'db', { hostNetwork: true }), false],
    ['not once it has ended', meshPod('p', 'db', { phase: 'Succeeded' }), false],
    ['while it is leaving', meshPod('p', 'db', { deleted: true }), true],
  ])('%s', (_title, pod, expected) => {
    expect(isVouched(pod, RULES, () => false)).toBe(expected);
  });

  test('a process outside of pods by its proof alone', () => {
    const claim = registration('r', 'db');
    expect([true, false].map((proven) => isVouched(claim, RULES, () => proven))).toEqual([true, false]);
  });
});
