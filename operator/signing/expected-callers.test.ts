import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../control-loop/cache.fake.ts';
import { expectedCallers } from './expected-callers.ts';

const pod = (status: object): Pod => ({ metadata: { namespace: 'shop', name: 'web-1', uid: 'u1' }, status });
const claims = { namespace: 'shop', podName: 'web-1', podUid: 'u1' };
const addressed = { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00:0:0::1' }] };

test.each<[string, Pod[], Partial<typeof claims>, string, boolean]>([
  ['a known pod at its address', [pod(addressed)], {}, '10.0.0.1', true],
  ['a known pod at its other address', [pod(addressed)], {}, 'fd00::1', true],
  ['a known pod that has no address yet', [pod({})], {}, '10.0.0.9', true],
  ['a known pod at the address of another', [pod(addressed)], {}, '10.0.0.9', false],
  ['another pod of the same name', [pod(addressed)], { podUid: 'u2' }, '10.0.0.1', false],
  ['a pod nobody knows', [], {}, '10.0.0.1', false],
])('%s', (_what, pods, more, from, expected) => {
  expect(expectedCallers(new FakeCache(pods))({ ...claims, ...more }, from)).toBe(expected);
});
