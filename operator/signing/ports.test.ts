import { LABELS } from '#core/constants.ts';
import type { Pod } from '#kube/types.ts';

import { registrationSpec } from '../resources/member.fake.ts';
import { SigningWorld, WEB_ADDRESS } from './signing-world.fake.ts';

/** The port for machines outside can be reached by strangers: what was stolen from a pod of the cluster must be of no use there. */
let world: SigningWorld;
beforeEach(async () => {
  world = await SigningWorld.create();
  world.service = world.serviceWith({ callers: 'outside' });
});

const registered =
  (bend: (pod: Pod) => Pod = (pod) => pod) =>
  (pod: Pod): Pod =>
    bend({
      ...pod,
      metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, [LABELS.run]: 'true' } },
      spec: registrationSpec('web'),
    });
const put = (bend: (pod: Pod) => Pod): void =>
  world.putPod('web-1', 'web-uid', { service: 'web', serviceAccount: 'web', bend });

test('a registered process gets its certificate at the port for those', async () => {
  put(registered());
  expect((await world.ask()).status).toBe(200);
});

test.each<[string, (pod: Pod) => Pod]>([
  ['a pod of the cluster', (pod) => pod],
  [
    'a pod with the label that a node runs',
    registered((pod) => ({ ...pod, spec: { ...pod.spec!, nodeName: 'n' } })),
  ],
  [
    'a pod with the label in the network of its node, whose address says nothing',
    registered((pod) => ({ ...pod, spec: { ...pod.spec!, hostNetwork: true } })),
  ],
  [
    'a pod with the label that a scheduler takes',
    registered((pod) => ({ ...pod, spec: { ...pod.spec!, schedulerName: 'default-scheduler' } })),
  ],
  ['a registration without an address', registered(({ status: _, ...pod }) => ({ ...pod, status: {} }))],
])('%s gets none there', async (_what, bend) => {
  put(bend);
  expect((await world.ask()).status).toBe(403);
  expect(world.lastReason).toBe('pod-not-outside');
});

test('a token that was stolen from a registered machine is of no use elsewhere', async () => {
  put(registered());
  expect((await world.ask({ sourceAddress: '203.0.113.66' })).status).toBe(403);
  expect(world.lastReason).toBe('source-address');
  expect((await world.ask({ sourceAddress: WEB_ADDRESS })).status).toBe(200);
});
