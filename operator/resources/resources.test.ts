import type { Pod, Service } from '#kube/types.ts';

import { isInstance, isReady, podService, prunePod } from './pod.ts';
import { backingService, pruneService } from './service.ts';

const FULL = {
  metadata: {
    name: 'web-0',
    namespace: 'shop',
    uid: 'u',
    resourceVersion: '7',
    labels: { app: 'web', 'mesh.dev/service': 'web', 'mesh.dev/injected': 'native' },
    annotations: { 'mesh/inject': 'true', 'big.example/blob': 'x'.repeat(10_000) },
    managedFields: [{ manager: 'kubectl' }],
  },
  spec: {
    serviceAccountName: 'web',
    restartPolicy: 'Always',
    nodeName: 'n1',
    containers: [{ name: 'app', image: 'web:1', env: [{ name: 'PASSWORD', value: 'hunter2' }] }],
    volumes: [{ name: 'data' }],
  },
  status: {
    phase: 'Running',
    podIP: '10.1.1.1',
    podIPs: [{ ip: '10.1.1.1' }],
    conditions: [
      { type: 'Initialized', status: 'True' },
      { type: 'Ready', status: 'True', lastProbeTime: null },
    ],
    containerStatuses: [{ name: 'app', image: 'web:1', state: { running: { startedAt: 'now' } } }],
  },
} as unknown as Pod;

describe('a pod in memory', () => {
  const kept = prunePod(FULL);

  test('keeps what decisions need', () => {
    expect([podService(kept), isInstance(kept), isReady(kept)]).toEqual(['web', true, true]);
    expect(kept.metadata).toMatchObject({
      uid: 'u',
      resourceVersion: '7',
      annotations: { 'mesh/inject': 'true' },
    });
    expect(kept.status?.containerStatuses).toEqual([{ name: 'app' }]);
  });

  test('keeps nothing of its environment, its volumes or its other annotations', () => {
    const text = JSON.stringify(kept);
    for (const word of ['hunter2', 'PASSWORD', 'volumes', 'big.example', 'managedFields', 'image'])
      expect(text).not.toContain(word);
  });

  test('a pod that goes away is neither instance nor ready', () => {
    const going = { ...kept, metadata: { ...kept.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    expect([isInstance(going), isReady(going)]).toEqual([false, false]);
  });

  test('a label that is no service name names none', () => {
    for (const name of ['Web', 'a b', '', '../x']) {
      expect(podService({ metadata: { name: 'x', labels: { 'mesh.dev/service': name } } })).toBeUndefined();
    }
  });
});

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
