import { SECRETS } from '#kube/types.ts';

import { MemoryKeyHolder } from '../../ca/example-provider.fake.ts';
import { BUILTIN, elsewhereAt, worldWithElsewhere } from './elsewhere.fake.ts';
import type { Elsewhere } from './elsewhere.fake.ts';
import { RotationWorld, beliefFault } from './rotation-world.fake.ts';
import type { Replica } from './rotation-world.fake.ts';

/** The key that signs is gone, or somewhere else is another one now, and operators start all the same. */

let world: RotationWorld;
let elsewhere: Elsewhere;
beforeEach(async () => {
  ({ world, elsewhere } = await worldWithElsewhere());
});
afterEach(() => world.base.end());

const active = (): string => world.status.roots!.find((root) => root.active)!.id;

/** The mesh is at an authority elsewhere. */
async function moved(): Promise<Replica> {
  const replica = await world.replica();
  await world.patch({ spec: elsewhereAt('signs') });
  await world.settle(() => [replica]);
  expect(world.status.authority?.provider).toBe('vault');
  return replica;
}

async function expectLost(replica: Replica, why: string): Promise<void> {
  expect(await replica.authority.fault()).toContain(why);
  await expect(replica.sign()).rejects.toThrow(why);
}

/** @returns when another root signed, in milliseconds from now */
async function replaced(replicas: readonly Replica[], leaf: string, leafLivesMs: number): Promise<number> {
  const old = active();
  const since = world.clock.now();
  let signedAfterMs = Infinity;
  await world.settle(
    () => replicas,
    async () => {
      const now = world.clock.now();
      if (now - since < leafLivesMs) expect(beliefFault(world.bundle, leaf, now)).toBeUndefined();
      if (active() === old) return;
      signedAfterMs = Math.min(signedAfterMs, now - since);
      for (const replica of replicas)
        expect(beliefFault(world.bundle, await replica.sign(), now)).toBeUndefined();
    },
  );
  expect(world.status.lastRotation).toMatchObject({ result: 'Completed', mode: 'graceful' });
  expect([world.status.roots!.length, active() === old]).toEqual([1, false]);
  const later = await world.replica();
  expect(await later.authority.fault()).toBeUndefined();
  return signedAfterMs;
}

test('the Secret with the key is gone and operators start again: nothing happens before somebody asks, then a new root takes its place', async () => {
  const leaf = await (await world.replica()).sign();
  const old = active();
  await world.base.fake.api.delete(SECRETS, { name: 'mesh-ca', namespace: 'mesh' });
  const replicas = [await world.replica(), await world.replica()];
  for (const replica of replicas) await expectLost(replica, 'Secret mesh/mesh-ca is gone');
  await world.settle(() => replicas);
  expect([active(), world.status.rotation, world.secrets]).toEqual([old, undefined, []]);
  await world.ask('again');
  expect(await replaced(replicas, leaf, 55_000)).toBeLessThan(10_000);
  expect(world.secrets).toEqual(['mesh-ca']);
});

test('a Secret with another root is not taken for the one that workloads trust', async () => {
  const other = await RotationWorld.make();
  const stranger = other.base.fake.objects(SECRETS)[0]!;
  await other.base.end();
  const leaf = await (await world.replica()).sign();
  await world.base.fake.api.delete(SECRETS, { name: 'mesh-ca', namespace: 'mesh' });
  await world.base.fake.api.create(SECRETS, {
    ...stranger,
    metadata: { name: 'mesh-ca', namespace: 'mesh' },
  });
  const replica = await world.replica();
  await expectLost(replica, 'workloads trust other roots');
  await world.ask('again');
  await replaced([replica], leaf, 55_000);
});

test('an operator that starts while its authority is lost for good is led to another one, and no pod is cut off', async () => {
  const leaf = await (await moved()).sign();
  elsewhere.holders.get('signs.test')!.away = true;
  const replica = await world.replica();
  await expectLost(replica, 'the key holder is away');
  await world.patch({ spec: BUILTIN });
  expect(await replaced([replica], leaf, 55_000)).toBeLessThan(10_000);
  expect(world.secrets).toEqual(['mesh-ca']);
});

test('whoever leaves an authority that is away does not wait for its signature', async () => {
  const replica = await moved();
  const leaf = await replica.sign();
  elsewhere.holders.get('signs.test')!.away = true;
  await world.patch({ spec: BUILTIN });
  let said = '';
  await world.settle(
    () => [replica],
    () => {
      if (world.status.rotation?.phase === 'Published') said = world.status.rotation.message;
    },
  );
  expect(said).toMatch(
    /^both roots are trusted; the old one cannot be used, so the new one signs from \S+ on$/,
  );
  expect(beliefFault(world.bundle, leaf, world.clock.now())).toBeDefined();
  expect(world.status.lastRotation?.result).toBe('Completed');
});

test('an authority that was away when the operator started signs as soon as it is back', async () => {
  await moved();
  const holder = elsewhere.holders.get('signs.test')!;
  holder.away = true;
  const replica = await world.replica();
  let told = 0;
  replica.authority.onChange(() => (told += 1));
  await expectLost(replica, 'the key holder is away');
  holder.away = false;
  await world.clock.advance(15_000);
  await replica.hear();
  expect(beliefFault(world.bundle, await replica.sign(), world.clock.now())).toBeUndefined();
  expect([told, world.status.rotation]).toEqual([1, undefined]);
});

test('an authority that has another root now: no leaf of it before somebody asks, then the root is taken up', async () => {
  const leaf = await (await moved()).sign();
  const old = active();
  elsewhere.holders.set('signs.test', new MemoryKeyHolder(() => world.clock.now()));
  const replica = await world.replica();
  await expectLost(replica, 'workloads trust other roots');
  await world.settle(() => [replica]);
  expect([active(), world.status.rotation]).toEqual([old, undefined]);
  await world.ask('take it up');
  await replaced([replica], leaf, 55_000);
});
