import { FakeClock } from '#base/testing/clock.fake.ts';
import { silentLog } from '#base/log.ts';
import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import { Controller } from '../../control-loop/controller.ts';
import { FakeEvents } from '../../control-loop/events.fake.ts';
import { createMetrics } from '../../metrics/metrics.ts';
import { memberSpec } from '../../resources/member.fake.ts';
import { prunePod } from '../../resources/prune-pod.ts';
import { MissedInjectionController } from './controller.ts';
import { pruneUnlessAsking } from '../../resources/prune-uninjected.ts';
import { missedInjection } from './decide.ts';

function pod(
  more: {
    annotations?: Record<string, string>;
    labels?: Record<string, string>;
    namespace?: string;
    phase?: string;
  } = {},
): Pod {
  const {
    annotations = { 'mesh/inject': 'true' },
    labels = {},
    namespace = 'shop',
    phase = 'Running',
  } = more;
  return {
    metadata: { name: 'web', namespace, uid: 'u', annotations, labels },
    spec: { containers: [] },
    status: { phase },
  };
}

describe('a pod that asked for the mesh and runs without it', () => {
  test.each<[string, Pod, boolean]>([
    ['by annotation', pod(), true],
    ['by label', pod({ annotations: {}, labels: { 'mesh/inject': 'true' } }), true],
    ['does not ask', pod({ annotations: {} }), false],
    ['asks not to', pod({ annotations: { 'mesh/inject': 'false' } }), false],
    [
      'is injected',
      { ...pod({ labels: { 'mesh.dev/injected': 'native' } }), spec: memberSpec('web') },
      false,
    ],
    ['is injected by its label alone', pod({ labels: { 'mesh.dev/injected': 'native' } }), true],
    ['has ended', pod({ phase: 'Succeeded' }), false],
    ['in an excluded namespace', pod({ namespace: 'kube-system' }), false],
  ])('%s', (_name, one, expected) => {
    expect(missedInjection(one, ['kube-system'])).toBe(expected);
  });

  test('of other pods only the name is kept in memory', () => {
    expect(pruneUnlessAsking(pod({ annotations: { other: 'x' } }), prunePod)).toEqual({
      metadata: { name: 'web', namespace: 'shop' },
    });
    expect(pruneUnlessAsking(pod(), prunePod).metadata.annotations).toEqual({ 'mesh/inject': 'true' });
  });

  test('is told of once, counted while it lives', async () => {
    const pods = new FakeCache<Pod>([pod()]);
    const events = new FakeEvents();
    const { metrics } = createMetrics();
    const duty = new MissedInjectionController({ pods, events, metrics, excludedNamespaces: [] });
    const controller = new Controller(duty, { clock: new FakeClock(), log: silentLog, metrics });
    const count = async (): Promise<number | undefined> =>
      (await metrics.missedInjections.get()).values[0]?.value;
    controller.start();
    await controller.idle();
    pods.put(pod());
    await controller.idle();
    expect(events.told.map(({ reason }) => reason)).toEqual(['NotInjected']);
    expect(await count()).toBe(1);
    pods.remove('shop/web');
    await controller.idle();
    expect(await count()).toBe(0);
    await controller.stop();
  });
});
