import type { Service } from '#kube/types.ts';

import { backingService, pruneService } from './service.ts';

describe('a Kubernetes Service', () => {
  const service = (spec: object): Service => ({ metadata: { name: 's', namespace: 'shop' }, spec });

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
