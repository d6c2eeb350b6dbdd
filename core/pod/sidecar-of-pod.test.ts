import fc from 'fast-check';

import { sidecarOfPod } from './sidecar-of-pod.ts';
import type { ContainerFacts, PodSpecFacts } from './sidecar-of-pod.ts';

const SIDECAR: ContainerFacts = {
  name: 'mesh-sidecar',
  restartPolicy: 'Always',
  env: [{ name: 'MESH_SERVICE', value: 'web' }],
  securityContext: { runAsUser: 15777 },
  volumeMounts: [{ name: 'mesh-ca-token', mountPath: '/var/run/secrets/mesh.dev/ca' }],
};
const VOLUME = {
  name: 'mesh-ca-token',
  projected: { sources: [{ serviceAccountToken: { audience: 'mesh-ca.cluster.local' } }] },
};
const APP: ContainerFacts = { name: 'app' };

const native = (change: Partial<ContainerFacts> = {}): PodSpecFacts => ({
  initContainers: [{ ...SIDECAR, ...change }],
  containers: [APP],
  volumes: [VOLUME],
});
const faultOf = (spec: PodSpecFacts | undefined): string => {
  const read = sidecarOfPod(spec);
  return 'fault' in read ? read.fault : '';
};

describe('the sidecar in the spec of a pod', () => {
  test('is an init container that goes on running, or an ordinary container, and says its service', () => {
    expect(sidecarOfPod(native())).toEqual({ style: 'native', service: 'web' });
    const ordinary = { ...SIDECAR, restartPolicy: undefined };
    expect(sidecarOfPod({ containers: [ordinary, APP], volumes: [VOLUME] })).toEqual({
      style: 'ordinary',
      service: 'web',
    });
  });

  test.each<[string, PodSpecFacts | undefined, string]>([
    ['no spec', undefined, 'has no container mesh-sidecar'],
    ['no such container', { containers: [APP], volumes: [VOLUME] }, 'has no container mesh-sidecar'],
    ['an init container that ends', native({ restartPolicy: null }), 'has no container mesh-sidecar'],
    ['one in the network of its node', { ...native(), hostNetwork: true }, 'uses the network of its node'],
    ['another user', native({ securityContext: { runAsUser: 0 } }), 'does not run as user 15777'],
    ['no user', native({ securityContext: null }), 'does not run as user 15777'],
    ['no token', native({ volumeMounts: [] }), 'does not mount mesh-ca-token'],
    [
      'its token elsewhere',
      native({ volumeMounts: [{ name: 'mesh-ca-token', mountPath: '/tmp' }] }),
      'does not mount mesh-ca-token at /var/run/secrets/mesh.dev/ca',
    ],
    ['no volume', { ...native(), volumes: [] }, 'is not a projected ServiceAccount token'],
    ['a volume of another kind', { ...native(), volumes: [{ name: 'mesh-ca-token' }] }, 'is not a projected'],
    [
      'a token for another audience',
      {
        ...native(),
        volumes: [
          {
            name: 'mesh-ca-token',
            projected: { sources: [null, { serviceAccountToken: { audience: 'x' } }] },
          },
        ],
      },
      'is not a projected ServiceAccount token of audience mesh-ca.*',
    ],
    [
      'a token that the application can read as well',
      { ...native(), containers: [{ ...APP, volumeMounts: SIDECAR.volumeMounts }] },
      'container "app" mounts the sidecar\'s token (mesh-ca-token) too',
    ],
    ['no service', native({ env: [] }), 'names no service (MESH_SERVICE)'],
    [
      'a service that is not a valid name',
      native({ env: [{ name: 'MESH_SERVICE', value: 'a.b' }] }),
      'names no service',
    ],
    [
      'a service that is looked up',
      native({ env: [{ name: 'MESH_SERVICE', value: null }] }),
      'names no service',
    ],
  ])('is none with %s', (_what, spec, fault) => {
    expect(faultOf(spec)).toContain(fault);
  });

  test('reads whatever a pod may hold without failing', () => {
    const text = fc.string({ maxLength: 8 });
    const container = fc.record(
      {
        name: fc.constantFrom('mesh-sidecar', 'app'),
        restartPolicy: fc.constantFrom('Always', null, undefined),
        env: fc.option(fc.array(fc.record({ name: text, value: fc.option(text) }))),
        securityContext: fc.option(fc.record({ runAsUser: fc.option(fc.integer()) })),
        volumeMounts: fc.option(fc.array(fc.record({ name: text, mountPath: text }))),
      },
      { requiredKeys: ['name'] },
    );
    fc.assert(
      fc.property(
        fc.record({
          containers: fc.option(fc.array(container)),
          initContainers: fc.option(fc.array(container)),
        }),
        (spec) => {
          expect(sidecarOfPod(spec)).toHaveProperty('fault');
        },
      ),
    );
  });
});
