import { LABELS } from '#core/constants.ts';
import type { Pod } from '#kube/types.ts';

import { memberSpec, registrationSpec } from '../resources/member.fake.ts';
import { SigningWorld } from './signing-world.fake.ts';

/**
 * What whoever may write pods in a namespace, but runs no sidecar, tries: labels by hand, containers that only look like ours, pods that never
 * run. A token bound to such a pod is theirs to make (TokenRequest), so the pod's own spec and address must say no.
 */
let world: SigningWorld;
beforeEach(async () => {
  world = await SigningWorld.create();
});

type Spec = NonNullable<Pod['spec']>;
const put = (bend: (pod: Pod) => Pod): void =>
  world.putPod('web-1', 'web-uid', { service: 'web', serviceAccount: 'web', bend });
const withSpec = (spec: Spec) => put((pod) => ({ ...pod, spec }));
const sidecarWith = (change: object): Spec => {
  const spec = memberSpec('web');
  return { ...spec, initContainers: spec.initContainers!.map((one) => ({ ...one, ...change })) };
};
const refused = async (reason: string, status = 403): Promise<void> => {
  const response = await world.ask();
  expect({ status: response.status, reason: world.lastReason }).toEqual({ status, reason });
};

describe('no certificate for a pod', () => {
  test.each<[string, Spec]>([
    ['with the labels and no sidecar', { serviceAccountName: 'web', containers: [{ name: 'app' }] }],
    [
      'whose container has the name alone',
      { serviceAccountName: 'web', containers: [{ name: 'mesh-sidecar' }] },
    ],
    ['whose sidecar is an init container that ends', sidecarWith({ restartPolicy: undefined })],
    ['whose sidecar runs as another user', sidecarWith({ securityContext: { runAsUser: 1000 } })],
    ['whose sidecar has no token of ours', sidecarWith({ volumeMounts: [] })],
    [
      'whose sidecar is a container for debugging',
      {
        ...memberSpec('web'),
        initContainers: [],
        ephemeralContainers: memberSpec('web').initContainers!,
      },
    ],
    [
      'whose application mounts the token too',
      {
        ...memberSpec('web'),
        containers: [{ name: 'app', volumeMounts: memberSpec('web').initContainers![0]!.volumeMounts! }],
      },
    ],
    ['in the network of its node', { ...memberSpec('web'), hostNetwork: true }],
  ])('%s', async (_what, spec) => {
    withSpec(spec);
    await refused('pod-not-injected');
  });

  test('whose label was changed to another service after its sidecar was made', async () => {
    world.putService('db', ['web']);
    put((pod) => ({
      ...pod,
      metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, [LABELS.service]: 'db' } },
    }));
    await refused('service-mismatch');
  });

  test('that has no address yet; it is told to ask again, and gets its certificate once it has', async () => {
    put((pod) => ({ ...pod, status: { phase: 'Pending' } }));
    const response = await world.ask({ sourceAddress: '192.0.2.1' });
    expect(response).toMatchObject({ status: 503, headers: { 'Retry-After': '1' } });
    expect(world.lastReason).toBe('pod-no-address');
    world.putPod('web-1', 'web-uid', { service: 'web', serviceAccount: 'web' });
    expect(await world.ask()).toMatchObject({ status: 200 });
  });

  test('that only stands for a process outside of pods, at the port for pods', async () => {
    put((pod) => ({
      ...pod,
      metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, [LABELS.run]: 'true' } },
      spec: registrationSpec('web'),
    }));
    await refused('pod-outside');
  });
});

describe('where sidecars are ordinary containers (before Kubernetes 1.29)', () => {
  beforeEach(() => {
    world.service = world.serviceWith({ address: 'taken-on' });
  });
  const ordinary = (status: object) =>
    put((pod) => ({ ...pod, spec: memberSpec('web', 'web', 'ordinary'), status }));

  test('the kubelet does not report an address before the sidecar is ready: a pod that it has taken on is enough', async () => {
    ordinary({ phase: 'Pending', hostIP: '192.0.2.10' });
    expect(await world.ask({ sourceAddress: '10.1.0.7' })).toMatchObject({ status: 200 });
  });

  test('a pod that no kubelet has taken on gets none, nor a native one without an address', async () => {
    ordinary({ phase: 'Pending' });
    await refused('pod-no-address', 503);
    put((pod) => ({ ...pod, status: { phase: 'Pending', hostIP: '192.0.2.10' } }));
    await refused('pod-no-address', 503);
  });

  test('an address that is known is compared', async () => {
    ordinary({ phase: 'Pending', hostIP: '192.0.2.10', podIP: '10.1.0.7' });
    expect((await world.ask({ sourceAddress: '10.1.0.8' })).status).toBe(403);
  });
});
