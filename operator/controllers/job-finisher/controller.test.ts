import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import { ControllerWorld, SCOPE, pod } from '../controllers.fake.ts';
import { JobFinisherController } from './controller.ts';

let world: ControllerWorld;

beforeEach(async () => {
  world = await ControllerWorld.make();
});

afterEach(() => world.end());

describe('the job finisher', () => {
  test('tells the sidecar as the service it must be, again when it failed, and not for ever at once', async () => {
    const pods = new FakeCache<Pod>([pod('job-1', 'report', { style: 'ordinary' })]);
    const told: object[] = [];
    let fails = 1;
    const tell = (target: object): Promise<void> => {
      told.push(target);
      return fails-- > 0 ? Promise.reject(new Error('no connection')) : Promise.resolve();
    };
    const controller = await world.run(
      new JobFinisherController({ pods, tell, scope: SCOPE, log: world.log, metrics: world.metrics }),
    );
    expect(told).toEqual([{ ip: '10.1.1.1', spiffeId: 'spiffe://cluster.local/ns/shop/dc/dc1/svc/report' }]);
    await world.clock.advance(1_000);
    await controller.idle();
    expect(told).toHaveLength(2);
    await world.clock.advance(5_000);
    await controller.idle();
    expect(told).toHaveLength(2);
    pods.remove('shop/job-1');
    await world.clock.advance(60_000);
    await controller.idle();
    expect(told).toHaveLength(2);
  });
});
