import type { Service } from '#kube/types.ts';

import { backingService, pruneService, selects } from './service.ts';

describe('a Kubernetes Service', () => {
  const service = (spec: object): Service => ({ metadata: { name: 's', namespace: 'shop' }, spec });

  test.each<[object | undefined, Record<string, string> | undefined, boolean]>([
    [{ app: 'web' }, { app: 'web', more: 'x' }, true],
    [{ app: 'web', tier: 'a' }, { app: 'web' }, false],
    [{}, { app: 'web' }, false],
    [undefined, { app: 'web' }, false],
    [{ app: 'web' }, undefined, false],
  ])('selector %j and labels %j: %s', (selector, labels, expected) => {
    expect(selects(service({ selector }), labels)).toBe(expected);
  });

  test('is the same after pruning, seen through what sidecars route by', () => {
    const full = service({
      type: 'ClusterIP',
      selector: { app: 'web' },
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      sessionAffinity: 'None',
      ports: [{ name: 'http', port: 80, targetPort: 'web', nodePort: 3 }],
    });
    expect(backingService(pruneService(full))).toEqual(backingService(full));
    expect(backingService(full)).toEqual({
      name: 's',
      clusterIPs: ['10.0.0.1'],
      headless: false,
      ports: [{ name: 'http', port: 80, targetPort: 'web' }],
    });
  });
});
