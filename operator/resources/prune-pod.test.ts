import fc from 'fast-check';

import type { Pod } from '#kube/types.ts';

import { memberSpec, registrationSpec } from './member.fake.ts';
import { claimOf } from './member.ts';
import { isInstance, isReady, podService, sidecarPort } from './pod.ts';
import { prunePod } from './prune-pod.ts';

const FULL = {
  metadata: {
    name: 'web-0',
    namespace: 'shop',
    uid: 'u',
    resourceVersion: '7',
    labels: { app: 'web', 'mesh.dev/service': 'web', 'mesh.dev/injected': 'native' },
    annotations: {
      'mesh/inject': 'true',
      'mesh/upstreams': 'db:9191',
      'big.example/blob': 'x'.repeat(10_000),
    },
    ownerReferences: [
      { apiVersion: 'v1', kind: 'Other', name: 'other', uid: 'o1' },
      { apiVersion: 'batch/v1', kind: 'Job', name: 'report', uid: 'o2', controller: true },
    ],
    managedFields: [{ manager: 'kubectl' }],
  },
  spec: {
    ...memberSpec('web'),
    restartPolicy: 'Always',
    nodeName: 'n1',
    schedulerName: 'default-scheduler',
    containers: [{ name: 'app', image: 'web:1', env: [{ name: 'PASSWORD', value: 'hunter2' }] }],
  },
  status: {
    phase: 'Running',
    podIP: '10.1.1.1',
    podIPs: [{ ip: '10.1.1.1' }],
    hostIP: '192.0.2.1',
    conditions: [
      { type: 'Initialized', status: 'True' },
      { type: 'Ready', status: 'True', lastProbeTime: null },
    ],
    containerStatuses: [{ name: 'app', image: 'web:1', state: { running: { startedAt: 'now' } } }],
  },
} as unknown as Pod;

const RULES = { outside: true };

describe('a pod in memory', () => {
  const kept = prunePod(FULL);

  test('keeps what decisions need', () => {
    expect([podService(kept), isInstance(kept), isReady(kept)]).toEqual(['web', true, true]);
    expect(kept.metadata).toMatchObject({
      uid: 'u',
      resourceVersion: '7',
      annotations: { 'mesh/inject': 'true' },
      ownerReferences: [{ kind: 'Job', name: 'report' }],
    });
    expect(kept.metadata.ownerReferences).toHaveLength(1);
    expect(kept.status?.containerStatuses).toEqual([{ name: 'app' }]);
    expect(claimOf(kept, RULES)).toEqual({ kind: 'native', service: 'web' });
  });

  test('keeps nothing of its environment, its volumes or its other annotations', () => {
    const text = JSON.stringify(kept);
    for (const word of [
      'hunter2',
      'PASSWORD',
      'big.example',
      'upstreams',
      'managedFields',
      'image',
      'default-scheduler',
    ])
      expect(text).not.toContain(word);
  });

  test('a registration keeps what makes it one, and where its sidecar listens', () => {
    const registered = prunePod({
      metadata: {
        ...FULL.metadata,
        labels: { ...FULL.metadata.labels, 'mesh.dev/run': 'true' },
        annotations: { 'mesh/sidecar-port': '40001' },
      },
      spec: registrationSpec('web'),
    });
    expect(claimOf(registered, RULES)).toEqual({ kind: 'outside', service: 'web' });
    expect(sidecarPort(registered)).toBe(40_001);
  });

  test('a pod that goes away is neither instance nor ready', () => {
    const going = { ...kept, metadata: { ...kept.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    expect([isInstance(going), isReady(going)]).toEqual([false, false]);
  });

  test('a label that is not a valid service name names none', () => {
    for (const name of ['Web', 'a b', '', '../x']) {
      expect(podService({ metadata: { name: 'x', labels: { 'mesh.dev/service': name } } })).toBeUndefined();
    }
  });
});

describe('however large its author makes it', () => {
  const long = 'x'.repeat(250_000);
  const many = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(i));
  const labels = (count: number) =>
    Object.fromEntries(many(count, (i) => [`team.example/label-${i}`, 'v'.repeat(63)]));
  const spec = memberSpec('web');
  const size = (change: Partial<Pod>): number => JSON.stringify(prunePod({ ...FULL, ...change })).length;

  test.each<[string, Partial<Pod>]>([
    [
      'annotations of the mesh',
      {
        metadata: {
          ...FULL.metadata,
          annotations: { 'mesh/inject': long, 'mesh/sidecar-port': long, 'mesh/x': long },
        },
      },
    ],
    ['labels', { metadata: { ...FULL.metadata, labels: { ...labels(10_000), ...FULL.metadata.labels } } }],
    [
      'an owner',
      {
        metadata: {
          ...FULL.metadata,
          ownerReferences: [{ apiVersion: long, kind: long, name: long, uid: long, controller: true }],
        },
      },
    ],
    [
      'containers',
      { spec: { ...spec, containers: many(10_000, (i) => ({ name: `c${i}`, image: long.slice(0, 100) })) } },
    ],
    [
      'init containers that mount the token',
      {
        spec: {
          ...spec,
          initContainers: many(10_000, (i) => ({
            name: `c${i}`,
            volumeMounts: spec.initContainers![0]!.volumeMounts!,
          })),
        },
      },
    ],
    [
      'mounts of one container',
      {
        spec: {
          ...spec,
          containers: [
            {
              name: 'c',
              volumeMounts: many(10_000, () => ({ name: 'mesh-ca-token', mountPath: long.slice(0, 500) })),
            },
          ],
        },
      },
    ],
    ['the name of its scheduler', { spec: { ...spec, schedulerName: long } }],
    [
      'sources of the volume',
      {
        spec: {
          ...spec,
          volumes: [
            {
              name: 'mesh-ca-token',
              projected: {
                sources: many(10_000, () => ({
                  serviceAccountToken: { path: 'x', audience: `mesh-ca.${long}` },
                })),
              },
            },
          ],
        },
      },
    ],
    [
      'the environment of its sidecar',
      {
        spec: {
          ...spec,
          initContainers: [
            { ...spec.initContainers![0]!, env: many(1_000, () => ({ name: 'MESH_SERVICE', value: long })) },
          ],
        },
      },
    ],
    [
      'statuses',
      {
        status: {
          ...FULL.status,
          containerStatuses: many(10_000, (i) => ({
            name: `c${i}`,
            image: '',
            imageID: '',
            ready: true,
            restartCount: 0,
          })),
          conditions: many(10_000, () => ({ type: 'Ready', status: 'True' })),
        },
      },
    ],
  ])('%s: at most 40,000 characters are kept', (_what, change) => {
    expect(size(change)).toBeLessThan(40_000);
  });

  test('our own labels are kept before any other', () => {
    const { metadata } = prunePod({
      ...FULL,
      metadata: { ...FULL.metadata, labels: { ...labels(10_000), ...FULL.metadata.labels } },
    });
    expect(metadata.labels).toMatchObject({ 'mesh.dev/service': 'web', 'mesh.dev/injected': 'native' });
    expect(Object.keys(metadata.labels ?? {}).length).toBeGreaterThan(100);
  });
});

test('says of the pruned pod what it says of the whole one', () => {
  const mount = fc.record({
    name: fc.constantFrom('mesh-ca-token', 'data'),
    mountPath: fc.constantFrom('/var/run/secrets/mesh.dev/ca', '/tmp'),
  });
  const container = fc.record(
    {
      name: fc.constantFrom('mesh-sidecar', 'mesh-redirect', 'app'),
      restartPolicy: fc.constantFrom('Always', undefined),
      env: fc.array(
        fc.record({ name: fc.constantFrom('MESH_SERVICE', 'X'), value: fc.constantFrom('web', 'db', 'A') }),
        { maxLength: 3 },
      ),
      securityContext: fc.record({ runAsUser: fc.constantFrom(15777, 15777, 0) }),
      volumeMounts: fc.array(mount, { maxLength: 3 }),
    },
    { requiredKeys: ['name', 'securityContext', 'volumeMounts', 'env'] },
  );
  const source = fc.constantFrom(
    {},
    { serviceAccountToken: { path: 'token', audience: 'mesh-ca.cluster.local' } },
  );
  const volume = fc.record({
    name: fc.constantFrom('mesh-ca-token', 'data'),
    projected: fc.record({ sources: fc.array(source, { maxLength: 4 }) }),
  });
  const any = fc.record(
    {
      hostNetwork: fc.constantFrom(undefined, true, false),
      containers: fc.array(container, { maxLength: 2 }),
      initContainers: fc.array(container, { maxLength: 2 }),
      volumes: fc.array(volume, { maxLength: 3 }),
    },
    { requiredKeys: ['containers'] },
  );
  // Few of those are members, most of these are.
  const nearlyMember = fc
    .tuple(fc.array(container, { maxLength: 1 }), fc.array(volume, { maxLength: 1 }))
    .map(([more, volumes]) => ({
      ...FULL.spec,
      containers: [...(FULL.spec?.containers ?? []), ...more],
      volumes: [...(FULL.spec?.volumes ?? []), ...volumes],
    }));
  const pod = fc.record({ metadata: fc.constant(FULL.metadata), spec: fc.oneof(any, nearlyMember) });
  let members = 0;
  fc.assert(
    fc.property(pod, (value) => {
      const whole = value as unknown as Pod;
      const claim = claimOf(whole, RULES);
      if (!('fault' in claim)) members += 1;
      expect(claimOf(prunePod(whole), RULES)).toEqual(claim);
    }),
    { numRuns: 3000, examples: [[FULL as never]] },
  );
  expect(members).toBeGreaterThan(100);
});
