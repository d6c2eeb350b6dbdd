import { FakeClock } from '#kube/clock.fake.ts';
import { silentLog } from '#kube/log.ts';
import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../cache.fake.ts';
import { Controller } from '../../controller.ts';
import { FakeEvents } from '../../events.fake.ts';
import { createMetrics } from '../../metrics.ts';
import { LeftOutController, pruneLeftOut } from './left-out.ts';

const pod = (uid: string, reason = 'host-network', phase = 'Running'): Pod => ({
  metadata: { name: 'agent', namespace: 'shop', uid, labels: { 'mesh.dev/left-out': reason } },
  status: { phase },
});

async function told(...versions: readonly Pod[]): Promise<readonly string[]> {
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
  test('is told why, and what to write, once for as long as it lives', async () => {
    expect(await told(pod('u1'), pod('u1'), pod('u2'))).toEqual([
      expect.stringMatching(
        /^Warning LeftOutOfMesh: .*\(host-network: it shares the network of its node\).*mesh\/inject: "true"/,
      ),
      expect.any(String),
    ]);
  });

  test('is not told when it has ended, and no label makes up a sentence of its own', async () => {
    expect(await told(pod('u1', 'host-network', 'Succeeded'))).toEqual([]);
    expect(await told(pod('u1', 'toString'))).toEqual([
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
