import { Refused } from '#kube/testing/fake-api.fake.ts';
import { SECRETS } from '#kube/types.ts';
import { caKeyType, generateAuthorityKeys, privateKeyPem } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { issueRoot } from '#pki/profile.ts';

import { caSecret } from '../../ca/builtin-state.ts';
import { SCOPE } from '../controllers.fake.ts';
import { RotationWorld, beliefFault } from './rotation-world.fake.ts';
import type { SurveyResult } from './survey.ts';

let world: RotationWorld;
let old: string;
beforeEach(async () => {
  world = await RotationWorld.make();
  old = world.status.roots![0]!.id;
});
afterEach(() => world.base.end());

const ids = (): string[] => world.status.roots!.map(({ id }) => id);
const active = (): string => world.status.roots!.find((root) => root.active)!.id;

/** Every phase and who signs in it, each once, in order. */
function recorder(): { readonly phases: string[]; readonly note: () => void } {
  const phases: string[] = [];
  return {
    phases,
    note: () => {
      const now = `${world.status.rotation?.phase ?? 'none'}, ${active() === old ? 'old' : 'new'} signs, ${ids().length} trusted`;
      if (phases.at(-1) !== now) phases.push(now);
    },
  };
}

test('a rotation: everybody trusts everybody all the time, also who hears of nothing', async () => {
  const replicas = [await world.replica(), await world.replica()];
  const before = world.bundle;
  const firstLeaf = await replicas[0]!.sign();
  const { phases, note } = recorder();
  await world.ask('june');
  await world.settle(
    () => replicas,
    async () => {
      note();
      for (const replica of replicas) {
        const leaf = await replica.sign();
        expect(beliefFault(world.bundle, leaf, world.clock.now())).toBeUndefined();
        if (world.status.rotation) expect(beliefFault(before, leaf, world.clock.now())).toBeUndefined();
      }
      if (ids().includes(old) && Date.parse(readCertificates(firstLeaf)[0]!.validTo) > world.clock.now())
        expect(beliefFault(world.bundle, firstLeaf, world.clock.now())).toBeUndefined();
    },
  );
  expect(phases).toEqual([
    'Preparing, old signs, 1 trusted',
    'Published, old signs, 2 trusted',
    'Draining, new signs, 2 trusted',
    'none, new signs, 1 trusted',
  ]);
  expect(world.status).toMatchObject({ handledRequest: 'june', lastRotation: { result: 'Completed' } });
  expect(world.secrets).toEqual(['mesh-ca']);
  // No leaf of the old root lives when it goes.
  expect(Date.parse(readCertificates(firstLeaf)[0]!.validTo)).toBeLessThan(world.clock.now());
  for (const replica of [...replicas, await world.replica()]) {
    expect(await replica.authority.fault()).toBeUndefined();
    expect(beliefFault(world.bundle, await replica.sign(), world.clock.now())).toBeUndefined();
  }
});

describe('when sidecars say what they lean on', () => {
  /** How long the rotation took, in ms. */
  async function rotate(survey: () => Promise<SurveyResult>): Promise<number> {
    world.survey = survey;
    const replica = await world.replica();
    const begun = world.clock.now();
    await world.ask('june');
    await world.settle(() => [replica]);
    expect(world.status.lastRotation?.result).toBe('Completed');
    return world.clock.now() - begun;
  }

  test('a rotation is over as soon as nobody leans on the old root', async () => {
    const took = await rotate(() =>
      Promise.resolve({
        asked: 1,
        silent: [],
        answers: [{ pod: 'shop/a', roots: ids(), leans: [active()] }],
      }),
    );
    // Two or three seconds of publishing, and the shortest drain.
    expect(took).toBeGreaterThanOrEqual(17_000);
    expect(took).toBeLessThan(25_000);
  });

  test('one that leans on it, or says nothing, makes it wait until its certificate has ended', async () => {
    for (const silent of [[], ['shop/a']]) {
      const took = await rotate(() =>
        Promise.resolve({ asked: 1, silent, answers: [{ pod: 'shop/b', roots: ids(), leans: ids() }] }),
      );
      expect(took).toBeGreaterThanOrEqual(75_000);
      await world.base.end();
      world = await RotationWorld.make();
      old = world.status.roots![0]!.id;
    }
  });
});

test('the operator dies after every single step: a new one goes on, and there is one new root', async () => {
  await world.ask('june');
  const { phases, note } = recorder();
  await world.settle(async () => [await world.replica()], note);
  expect(phases).toHaveLength(4);
  expect(world.secrets).toEqual(['mesh-ca']);
});

test.each(['POST', 'PATCH', 'PUT', 'DELETE'])(
  'every %s to the API server fails once: the rotation goes through all the same',
  async (method) => {
    const replica = await world.replica();
    await world.ask('june');
    const { fake } = world.base;
    let calls = 0;
    fake.intercept = (request) =>
      request.method === method && calls++ % 2 === 0
        ? new Refused(500, 'InternalError', 'broken')
        : undefined;
    await world.settle(() => [replica]);
    fake.intercept = undefined;
    expect(calls).toBeGreaterThan(1);
    expect([ids().length, active() === old, world.secrets]).toEqual([1, false, ['mesh-ca']]);
  },
);

test('two operators that both think they lead make one rotation', async () => {
  const replicas = [await world.replica(), await world.replica(), await world.replica()];
  await world.ask('june');
  const { phases, note } = recorder();
  await world.settle(() => replicas, note);
  expect(phases).toHaveLength(4);
  for (const replica of replicas)
    expect(beliefFault(world.bundle, await replica.sign(), world.clock.now())).toBeUndefined();
});

test('another kind of key in the settings is a rotation to it', async () => {
  const replica = await world.replica();
  await world.patch({ spec: { ca: { keyType: 'ec-p384' } } });
  await world.settle(() => [replica]);
  const [root] = readCertificates(world.status.roots![0]!.pem);
  expect(caKeyType(root!.publicKey)).toBe('ec-p384');
  expect(beliefFault(world.bundle, await replica.sign(), world.clock.now())).toBeUndefined();
  expect(world.status.lastRotation).toMatchObject({ result: 'Completed', mode: 'graceful' });
});

test('a root is replaced when 70 % of its life are over', async () => {
  await world.base.end();
  world = await RotationWorld.make({ leafTTL: '1m', ca: { rootTTL: '1h' } });
  old = active();
  const replica = await world.replica();
  await world.settle(() => [replica]);
  await world.clock.advance(40 * 60_000);
  await world.settle(() => [replica]);
  expect(active()).toBe(old);
  await world.clock.advance(3 * 60_000);
  await world.settle(() => [replica]);
  expect(active()).not.toBe(old);
});

test('given up before the new root signs: it is as if there had been none', async () => {
  const replica = await world.replica();
  await world.ask('june');
  const look = async (): Promise<void> => {
    await replica.hear();
    await replica.controller.reconcile('mesh', new AbortController().signal);
  };
  await look();
  await look();
  expect([world.status.rotation?.phase, world.secrets]).toEqual(['Published', ['mesh-ca', 'mesh-ca-next']]);
  await world.ask('stop', 'abort');
  await world.settle(() => [replica]);
  expect([ids(), world.secrets]).toEqual([[old], ['mesh-ca']]);
  expect(world.status).toMatchObject({ handledRequest: 'stop', lastRotation: { result: 'Aborted' } });
});

test('taken back when the new root signs already: the old one signs again, and nobody notices', async () => {
  const replica = await world.replica();
  const before = world.bundle;
  await world.ask('june');
  const { phases, note } = recorder();
  let asked = false;
  await world.settle(
    () => [replica],
    async () => {
      note();
      expect(beliefFault(world.bundle, await replica.sign(), world.clock.now())).toBeUndefined();
      expect(beliefFault(before, await replica.sign(), world.clock.now())).toBeUndefined();
      if (asked || active() === old) return;
      asked = true;
      await world.ask('back', 'abort');
    },
  );
  expect(phases).toEqual([
    'Preparing, old signs, 1 trusted',
    'Published, old signs, 2 trusted',
    'Draining, new signs, 2 trusted',
    'Draining, old signs, 2 trusted',
    'none, old signs, 1 trusted',
  ]);
  expect(world.secrets).toEqual(['mesh-ca']);
  expect(world.status.lastRotation).toMatchObject({ result: 'Aborted' });
  expect(await (await world.replica()).authority.fault()).toBeUndefined();
});

test('forced: what the old root signed is trusted by nobody from then on', async () => {
  const replica = await world.replica();
  const leaf = await replica.sign();
  await world.ask('stolen', 'forced');
  const since = world.clock.now();
  await world.settle(() => [replica]);
  expect(world.clock.now() - since).toBeLessThan(2_000);
  expect(ids()).toHaveLength(1);
  expect(beliefFault(world.bundle, leaf, world.clock.now())).toContain('no valid path');
  expect(beliefFault(world.bundle, await replica.sign(), world.clock.now())).toBeUndefined();
  expect(world.status.lastRotation).toMatchObject({ result: 'Completed', mode: 'forced' });
});

test('forced in the middle of another one: that one’s new root stays, the old one goes', async () => {
  const replica = await world.replica();
  await world.ask('june');
  let asked = false;
  await world.settle(
    () => [replica],
    async () => {
      if (asked || active() === old) return;
      asked = true;
      await world.ask('stolen', 'forced');
    },
  );
  expect([ids().length, active() === old, world.secrets]).toEqual([1, false, ['mesh-ca']]);
  expect(world.status.lastRotation).toMatchObject({ result: 'Completed', mode: 'forced' });
});

test('a rehearsal changes nothing and says what it saw', async () => {
  const replica = await world.replica();
  await world.patch({ spec: { ca: { rootTTL: '48h' } } });
  await world.ask('try', 'rehearse');
  await world.settle(() => [replica]);
  expect([ids(), world.secrets]).toEqual([[old], ['mesh-ca']]);
  expect(world.status.lastRotation).toMatchObject({ result: 'Rehearsed', mode: 'rehearse' });
});

test('the new root’s Secret is gone before its time: the old key is not touched, and the way back works', async () => {
  const replica = await world.replica();
  await world.ask('june');
  await world
    .settle(
      () => [replica],
      () => {
        if (active() !== old) throw new Error('switched');
      },
    )
    .catch(() => undefined);
  await world.base.fake.api.delete(SECRETS, { name: 'mesh-ca-next', namespace: 'mesh' });
  await world.clock.advance(3_600_000);
  await replica.hear();
  await expect(replica.controller.reconcile('mesh', new AbortController().signal)).rejects.toThrow(
    /neither Secret .* holds root .* restore mesh-ca-next from a backup, or abort/,
  );
  await world.ask('back', 'abort');
  await world.settle(() => [replica]);
  expect([ids(), world.secrets]).toEqual([[old], ['mesh-ca']]);
});

test('a next root that is there already is used, and one of another kind is refused with what to do', async () => {
  const replica = await world.replica();
  const keys = await generateAuthorityKeys('ec-p384');
  const certificatePem = await issueRoot(keys, SCOPE.trustDomain, world.clock.now());
  const own = { certificatePem, keyPem: privateKeyPem(keys.privateKey) };
  await world.base.fake.api.create(SECRETS, caSecret('mesh', own, undefined, 'mesh-ca-next'));
  await world.ask('mine');
  await world.settle(() => [replica]).catch(() => undefined);
  expect(world.status.rotation?.message).toBe(
    'the new root cannot be made: Secret mesh/mesh-ca-next holds a root of kind ec-p384, and spec.ca.keyType wants ec-p256: change one of them',
  );
  await world.patch({ spec: { ca: { keyType: 'ec-p384' } } });
  await world.settle(() => [replica]);
  expect(world.status.roots?.map(({ pem }) => pem)).toEqual([certificatePem]);
  expect(beliefFault(world.bundle, await replica.sign(), world.clock.now())).toBeUndefined();
});

test('a replica whose published root has no key anywhere says so and signs nothing', async () => {
  const replica = await world.replica();
  await world.patch({ status: { roots: [{ ...world.status.roots![0], id: 'ffff', active: true }] } });
  await replica.hear();
  expect(await replica.authority.fault()).toContain('cannot be used');
  await expect(replica.sign()).rejects.toThrow('cannot be used');
});
