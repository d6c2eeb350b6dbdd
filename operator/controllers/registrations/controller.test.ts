import { LABELS } from '#core/constants.ts';
import { Refused } from '#kube/testing/fake-api.fake.ts';
import { microTime } from '#base/times.ts';
import { LEASES, PODS } from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import { registrationSpec } from '../../resources/member.fake.ts';
import { ControllerWorld, pod } from '../controllers.fake.ts';
import { RegistrationsController } from './controller.ts';

let world: ControllerWorld;
let pods: FakeCache<Pod>;

beforeEach(async () => {
  world = await ControllerWorld.make();
  pods = new FakeCache<Pod>();
});

afterEach(() => world.end());

const registration = (name: string): Pod => ({
  ...pod(name, 'billing', { labels: { [LABELS.run]: 'true' } }),
  spec: registrationSpec('billing'),
});
const put = (object: Pod): void => {
  world.fake.put(PODS, object);
  pods.put(object);
};
const renew = (name: string, at: number): void =>
  void world.fake.put(LEASES, {
    metadata: { name, namespace: 'shop' },
    spec: { renewTime: microTime(at) },
  });
const there = (name: string): boolean => world.fake.find(PODS, { name, namespace: 'shop' }) !== undefined;
const run = () =>
  world.run(new RegistrationsController({ api: world.fake.api, pods, clock: world.clock, log: world.log }));

const lookedAt = (): number => world.fake.requests.filter(({ path }) => path.includes('/leases/')).length;

/** Lets time pass in looks, each of which asks a real server. */
async function pass(seconds: number, everyFive: () => void = () => undefined): Promise<void> {
  for (let left = seconds; left > 0; left -= 5) {
    const before = lookedAt();
    everyFive();
    await world.clock.advance(5_000);
    const end = Date.now() + 2_000;
    while (lookedAt() === before && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await world.clock.advance(0);
  }
}

describe('registrations of processes outside of pods', () => {
  test('one whose Lease is not renewed for 20 seconds is deleted, and not before', async () => {
    put(registration('billing-1'));
    renew('billing-1', world.clock.now());
    await run();
    await pass(15);
    expect(there('billing-1')).toBe(true);
    await pass(10);
    expect(there('billing-1')).toBe(false);
  });

  test('one that renews stays, however wrong its clock is', async () => {
    put(registration('billing-1'));
    let at = Date.UTC(1999, 0, 1);
    renew('billing-1', at);
    await run();
    await pass(60, () => renew('billing-1', (at += 5_000)));
    expect(there('billing-1')).toBe(true);
  });

  test('one without a Lease has the same time from when it was first seen', async () => {
    await run();
    put(registration('billing-1'));
    await pass(15);
    expect(there('billing-1')).toBe(true);
    await pass(15);
    expect(there('billing-1')).toBe(false);
  });

  test('while the API server does not answer nobody can renew, so that time does not count', async () => {
    put(registration('billing-1'));
    renew('billing-1', world.clock.now());
    await run();
    await pass(10);
    world.fake.intercept = ({ path }) =>
      path.includes('/leases/') ? new Refused(503, 'ServiceUnavailable', 'away') : undefined;
    await pass(60);
    world.fake.intercept = undefined;
    // Its back-off has grown meanwhile; the first look that is answered must not be the last.
    const failed = lookedAt();
    while (lookedAt() === failed) await pass(5);
    expect(there('billing-1')).toBe(true);
    await pass(60);
    expect(there('billing-1')).toBe(false);
  });

  test('a machine that sleeps with all of us on it wakes up with its registrations', async () => {
    put(registration('billing-1'));
    renew('billing-1', world.clock.now());
    await run();
    await pass(5);
    world.clock.jump(3_600_000);
    await pass(5);
    expect(there('billing-1')).toBe(true);
    await pass(20);
    expect(there('billing-1')).toBe(false);
  });

  test('a pod that a node runs is never touched, nor one that is not a registration', async () => {
    const onNode = registration('on-node');
    put({ ...onNode, spec: { ...onNode.spec!, nodeName: 'node-1' } });
    const onHost = registration('on-host');
    put({ ...onHost, spec: { ...onHost.spec!, hostNetwork: true } });
    put(pod('web-1', 'web'));
    // Whoever may change labels, and may not delete pods, must not have the operator do it.
    put(pod('waiting', 'web', { labels: { [LABELS.run]: 'true' } }));
    await run();
    await world.clock.advance(120_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const name of ['on-node', 'on-host', 'web-1', 'waiting']) expect(there(name)).toBe(true);
    expect(world.fake.requests.filter(({ path }) => path.includes('/leases/'))).toEqual([]);
  });
});
