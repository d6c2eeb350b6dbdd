import { SECRETS } from '#kube/types.ts';

import { RotationWorld, beliefFault } from './rotation-world.fake.ts';

/** Nobody was there while roots came to their end. */

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

let world: RotationWorld;
let old: string;
beforeEach(async () => {
  world = await RotationWorld.make({ leafTTL: '1m', ca: { rootTTL: '1h' } });
  old = active();
});
afterEach(() => world.base.end());

const ids = (): string[] => world.status.roots!.map(({ id }) => id);
const active = (): string => world.status.roots!.find((root) => root.active)!.id;

/** Goes on until the MeshConfig says so. */
async function until(phase: string | undefined): Promise<void> {
  const replica = await world.replica();
  for (let looks = 0; world.status.rotation?.phase !== phase; looks++) {
    if (looks > 20) throw new Error(`never ${phase}: ${JSON.stringify(world.status.rotation)}`);
    await replica.hear();
    await replica.controller.reconcile('mesh', new AbortController().signal);
    await replica.hear();
    const { until: at } = world.status.rotation ?? {};
    if (at && world.status.rotation?.phase !== phase)
      await world.clock.advance(Math.max(0, Date.parse(at) - world.clock.now()));
  }
  await replica.authority.stop();
}

async function expectWell(): Promise<void> {
  expect([ids().length, active() === old, world.secrets]).toEqual([1, false, ['mesh-ca']]);
  const replica = await world.replica();
  expect(await replica.authority.fault()).toBeUndefined();
  expect(beliefFault(world.bundle, await replica.sign(), world.clock.now())).toBeUndefined();
}

test('the root has ended: operators start, say so, and the one that leads replaces it at once', async () => {
  await world.clock.advance(YEAR);
  const replicas = [await world.replica(), await world.replica()];
  for (const replica of replicas) {
    expect(await replica.authority.fault()).toContain('the root certificate has ended, on 2026-01-01T');
    await expect(replica.sign()).rejects.toThrow('the signer has ended');
  }
  const since = world.clock.now();
  let signedAfterMs = Infinity;
  await world.settle(
    () => replicas,
    async ([, follower]) => {
      if (active() === old) return;
      signedAfterMs = Math.min(signedAfterMs, world.clock.now() - since);
      expect(beliefFault(world.bundle, await follower!.sign(), world.clock.now())).toBeUndefined();
    },
  );
  expect(signedAfterMs).toBeLessThan(2_000);
  expect(world.status.lastRotation).toMatchObject({ result: 'Completed', mode: 'graceful' });
  expect(world.base.events.told.map(({ reason, message }) => [reason, message])).toContainEqual([
    'RotationDraining',
    'the old root had ended; the new one signs from now on',
  ]);
  await expectWell();
});

test('an operator whose clock is a year ahead takes nothing away: the old root stays trusted as long as what it signed', async () => {
  const replica = await world.replica();
  const leaf = await replica.sign();
  const signedAt = world.clock.now();
  world.clock.jump(YEAR);
  await world.settle(
    () => [replica],
    () => {
      if (world.clock.now() - signedAt - YEAR < 60_000)
        expect(beliefFault(world.bundle, leaf, signedAt)).toBeUndefined();
    },
  );
});

test.each(['Preparing', 'Published', 'Draining'])(
  'everything ended while a rotation was %s: it is put right, and nothing has to be deleted',
  async (phase) => {
    await world.ask('june');
    await until(phase);
    await world.clock.advance(YEAR);
    await world.settle(async () => [await world.replica()]);
    await expectWell();
  },
);

test('the old root ended while the new one was published: the new one signs, and is not made again', async () => {
  await world.patch({ spec: { ca: { rootTTL: '48h' } } });
  await world.ask('june');
  await until('Published');
  const [, next] = ids();
  await world.clock.advance(2 * HOUR);
  await world.settle(async () => [await world.replica()]);
  expect(active()).toBe(next);
  await expectWell();
});

test('the new root ended before the old one: the old one signs again', async () => {
  await world.base.end();
  world = await RotationWorld.make({ leafTTL: '2h', ca: { rootTTL: '100h' } });
  old = active();
  await world.patch({ spec: { ca: { rootTTL: '1h' } } });
  await world.ask('june');
  await until('Draining');
  expect(active()).not.toBe(old);
  await world.clock.advance(1.5 * HOUR);
  const replica = await world.replica();
  await world.settle(
    () => [replica],
    // A sidecar says nothing in this world, so that is waited for to the end.
    () => (active() === old ? world.clock.advance(HOUR) : undefined),
  );
  expect([ids(), world.secrets]).toEqual([[old], ['mesh-ca']]);
  expect(beliefFault(world.bundle, await replica.sign(), world.clock.now())).toBeUndefined();
});

test('a drain is looked at again when the root that signs ends before it is over', async () => {
  await world.patch({ spec: { leafTTL: '30m' } });
  await world.ask('june');
  await until('Draining');
  const replica = await world.replica();
  const end = Date.parse(world.status.roots!.find((root) => root.active)!.notAfter);
  const later = new Date(end + YEAR).toISOString();
  await world.patch({ status: { rotation: { until: later, earliest: later } } });
  await replica.hear();
  await world.clock.advance(end - world.clock.now() - 60_000);
  const answer = await replica.controller.reconcile('mesh', new AbortController().signal);
  expect(answer).toEqual({ requeueAfterMs: 60_000 });
});

test('a forced request, made when the root had ended already, is done', async () => {
  await world.clock.advance(YEAR);
  await world.ask('now', 'forced');
  await world.settle(async () => [await world.replica()]);
  expect(world.status).toMatchObject({ handledRequest: 'now', lastRotation: { mode: 'forced' } });
  await expectWell();
});

test('a next root of somebody’s own that has ended is refused with what to do, while the old one lives', async () => {
  await world.ask('june');
  await until('Published');
  const ended = world.base.fake.find(SECRETS, { name: 'mesh-ca-next', namespace: 'mesh' })!;
  await world.ask('stop', 'abort');
  await world.settle(async () => [await world.replica()]);
  await world.base.end();

  world = await RotationWorld.make({ leafTTL: '1m' });
  await world.clock.advance(2 * HOUR);
  const { name, namespace } = ended.metadata;
  await world.base.fake.api.create(SECRETS, { metadata: { name, namespace: namespace! }, data: ended.data! });
  await world.ask('mine');
  await world.settle(async () => [await world.replica()]).catch(() => undefined);
  expect(world.status.rotation?.message).toMatch(
    /^the new root cannot be made: the root in Secret mesh\/mesh-ca-next ended on .*Z: delete that Secret, or put another/,
  );
});
