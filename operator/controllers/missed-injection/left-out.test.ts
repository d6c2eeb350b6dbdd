import { FakeClock } from '#base/testing/clock.fake.ts';
import { silentLog } from '#base/log.ts';
import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import { Controller } from '../../control-loop/controller.ts';
import { FakeEvents } from '../../control-loop/events.fake.ts';
import { createMetrics } from '../../metrics/metrics.ts';
import { pruneLeftOut } from '../../resources/prune-uninjected.ts';
import { LeftOutController } from './left-out.ts';

const pod = (uid: string, reason = 'host-network', phase = 'Running'): Pod => ({
  metadata: { name: 'agent', namespace: 'shop', uid, labels: { 'mesh.dev/left-out': reason } },
  status: { phase },
});

async function reported(...versions: readonly Pod[]): Promise<readonly string[]> {
  const pods = new FakeCache<Pod>();
  const events = new FakeEvents();
  const duty = new LeftOutController({ pods, events });
  const { metrics } = createMetrics();
  const controller = new Controller(duty, { clock: new FakeClock(), log: silentLog, metrics });
  controller.start();
  for (const one of versions) {
    pods.put(one);
    await controller.idle();
  }
  await controller.stop();
  return events.told.map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
}

describe('a pod that its namespace asks for and that cannot join', () => {
  test('has one Event for as long as it lives, which says why and what to write', async () => {
    expect(await reported(pod('u1'), pod('u1'), pod('u2'))).toEqual([
      expect.stringMatching(
        /^Warning LeftOutOfMesh: .*\(host-network: it shares the network of its node\).*mesh\/inject: "true"/,
      ),
      expect.any(String),
    ]);
  });

  test('has none when it has ended, and a label cannot bring a sentence of its own into it', async () => {
    expect(await reported(pod('u1', 'host-network', 'Succeeded'))).toEqual([]);
    expect(await reported(pod('u1', 'toString'))).toEqual([
      expect.stringContaining('left out of it (toString);'),
    ]);
  });

  test('keeps nothing in memory but its name and the reason', () => {
    const full = {
      ...pod('u1'),
      metadata: {
        ...pod('u1').metadata,
        labels: { 'mesh.dev/left-out': 'windows', app: 'x' },
        annotations: { a: 'b' },
      },
      spec: { containers: [{ name: 'app' }] },
    };
    expect(pruneLeftOut(full)).toEqual(pod('u1', 'windows'));
  });
});
