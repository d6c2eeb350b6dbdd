import { SECRETS } from '#kube/types.ts';
import { generateKeys, privateKeyPem, sha256Hex } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { issueCrossSigned, issueRoot, readSigner } from '#pki/profile.ts';

import { SCOPE } from '../controllers.fake.ts';
import { BUILTIN as builtin, elsewhereAt, worldWithElsewhere } from './elsewhere.fake.ts';
import type { Elsewhere } from './elsewhere.fake.ts';
import { beliefFault } from './rotation-world.fake.ts';
import type { Replica, RotationWorld } from './rotation-world.fake.ts';

let world: RotationWorld;
let elsewhere: Elsewhere;
beforeEach(async () => {
  ({ world, elsewhere } = await worldWithElsewhere());
});
afterEach(() => world.base.end());

const active = (): string => world.status.roots!.find((root) => root.active)!.id;

/** Signs with every replica at every step, and looks whether everybody trusts it. */
async function everyoneTrusts(replicas: readonly Replica[]): Promise<void> {
  for (const replica of replicas) {
    const leaf = await replica.sign();
    expect(beliefFault(world.bundle, leaf, world.clock.now())).toBeUndefined();
  }
}

test('from the builtin authority to another, to one more, and back: everybody trusts everybody all the time', async () => {
  const replicas = [await world.replica(), await world.replica()];
  const seen = [active()];
  for (const spec of [elsewhereAt('signs'), elsewhereAt('mute'), builtin]) {
    await world.patch({ spec });
    await world.settle(() => replicas, everyoneTrusts);
    expect(world.status.rotation).toBeUndefined();
    expect(world.status.lastRotation?.result).toBe('Completed');
    seen.push(active());
    expect(world.secrets).toEqual(spec === builtin ? ['mesh-ca'] : []);
    expect(await (await world.replica()).authority.fault()).toBeUndefined();
  }
  expect(new Set(seen).size).toBe(4);
  expect(world.status.authority).toEqual({ provider: 'builtin' });
});

test('what the old authority cannot cross-sign signs only when every older certificate has ended', async () => {
  const replica = await world.replica();
  await world.patch({ spec: elsewhereAt('mute') });
  await world.settle(() => [replica]);
  await world.patch({ spec: elsewhereAt('other') });
  const begun = world.clock.now();
  const old = active();
  let switched = 0;
  await world.settle(
    () => [replica],
    () => {
      if (active() !== old && switched === 0) switched = world.clock.now();
    },
  );
  expect(switched - begun).toBeGreaterThanOrEqual(60_000);
});

test('the operator dies after every single step of a change of provider', async () => {
  for (const spec of [elsewhereAt('signs'), builtin]) {
    await world.patch({ spec });
    await world.settle(async () => [await world.replica()], everyoneTrusts);
    expect(world.status.lastRotation?.result).toBe('Completed');
  }
  expect(world.secrets).toEqual(['mesh-ca']);
});

test('the other authority is away: the status says so, the old one signs, and going back ends it', async () => {
  const replica = await world.replica();
  const before = active();
  await world.patch({ spec: elsewhereAt('away') });
  elsewhere.at({ provider: 'vault', config: { address: 'https://away.test' } });
  elsewhere.holders.get('away.test')!.away = true;
  await world.settle(() => [replica], everyoneTrusts).catch(() => undefined);
  expect(world.status.rotation).toMatchObject({
    phase: 'Preparing',
    reason: 'Provider',
    message: 'the new root cannot be made: the key holder is away',
  });
  expect(active()).toBe(before);
  await world.patch({ spec: builtin });
  await world.settle(() => [replica]);
  expect([world.status.rotation, active(), world.secrets]).toEqual([undefined, before, ['mesh-ca']]);
});

test.each([
  ['refuses to sign', 'refuses', 'this role may not sign'],
  ['signs with another root than it shows', 'deceives', 'signs what must not be handed out'],
])(
  'an authority that %s is not published: the status says why, the one before signs, and going back ends it',
  async (_what, name, why) => {
    const replica = await world.replica();
    const before = active();
    await world.patch({ spec: elsewhereAt(name) });
    let looks = 0;
    const seen = world.settle(
      () => [replica],
      () => {
        if (world.status.rotation?.message.includes(why) && (looks += 1) === 3) throw new Error('seen');
      },
    );
    await expect(seen).rejects.toThrow('seen');
    expect(world.status.rotation?.phase).toBe('Preparing');
    expect(world.status.roots).toHaveLength(1);
    expect(world.status.authority).toEqual({ provider: 'builtin' });
    expect(active()).toBe(before);
    await everyoneTrusts([replica]);
    await world.patch({ spec: builtin });
    await world.settle(() => [replica]);
    expect([world.status.rotation, active()]).toEqual([undefined, before]);
  },
);

test('another way to the same authority changes no root', async () => {
  const replica = await world.replica();
  await world.patch({ spec: elsewhereAt('signs') });
  await world.settle(() => [replica]);
  const before = active();
  await world.patch({ spec: elsewhereAt('signs', '-other') });
  await world.settle(() => [replica], everyoneTrusts);
  expect(active()).toBe(before);
  expect(world.status.authority).toMatchObject({ config: { intermediatePath: 'pki-other' } });
});

test('a request for a new root of an authority that has no other is refused with what to do', async () => {
  const replica = await world.replica();
  await world.patch({ spec: elsewhereAt('signs') });
  await world.settle(() => [replica]);
  await world.ask('again');
  await world.settle(() => [replica]);
  expect(world.status.lastRotation).toMatchObject({
    result: 'Refused',
    message: 'vault has no other root than the one that signs; make one there, or name another authority',
  });
});

test('taken back while the new provider signs: the old one signs again', async () => {
  const replica = await world.replica();
  const before = active();
  await world.patch({ spec: elsewhereAt('signs') });
  let asked = false;
  await world.settle(
    () => [replica],
    async (replicas) => {
      await everyoneTrusts(replicas);
      if (asked || active() === before) return;
      asked = true;
      await world.ask('back', 'abort');
    },
  );
  expect([active(), world.secrets, world.status.authority]).toEqual([
    before,
    ['mesh-ca'],
    { provider: 'builtin' },
  ]);
});

test('forced away from an authority that is lost', async () => {
  const replica = await world.replica();
  await world.patch({ spec: elsewhereAt('signs') });
  await world.settle(() => [replica]);
  elsewhere.holders.get('signs.test')!.away = true;
  await world.patch({ spec: { ca: { ...builtin.ca, rotation: { request: 'lost', mode: 'forced' } } } });
  await world.settle(() => [replica]);
  expect(world.status.lastRotation).toMatchObject({ result: 'Completed', mode: 'forced' });
  await everyoneTrusts([replica]);
});

test('a rehearsal of a change of provider asks that provider, changes nothing, and nothing begins as long as it stands there', async () => {
  const replica = await world.replica();
  const before = active();
  const ask = (name: string, request: string): Promise<void> =>
    world.patch({
      spec: { ca: { ...(elsewhereAt(name) as { ca: object }).ca, rotation: { request, mode: 'rehearse' } } },
    });
  await ask('signs', 'one');
  await world.settle(() => [replica]);
  expect(world.status.lastRotation).toMatchObject({
    result: 'Rehearsed',
    message: expect.stringContaining('vault is there and lets us in'),
  });
  elsewhere.at({ provider: 'vault', config: { address: 'https://away.test' } });
  elsewhere.holders.get('away.test')!.away = true;
  await ask('away', 'two');
  await world.settle(() => [replica]);
  expect(world.status.lastRotation).toMatchObject({
    result: 'Refused',
    message: 'a rotation would fail: the key holder is away',
  });
  expect([active(), world.status.rotation, world.secrets]).toEqual([before, undefined, ['mesh-ca']]);
  // Other settings than those that were rehearsed are meant.
  await world.patch({ spec: { ca: (elsewhereAt('signs') as { ca: object }).ca } });
  await world.settle(() => [replica], everyoneTrusts);
  expect(world.status.authority?.provider).toBe('vault');
});

describe('under an offline root', () => {
  /** A root that is nowhere but here, and what it signed. */
  async function offline(): Promise<{ rootPem: string; secret: (name: string) => Promise<object> }> {
    const keys = await generateKeys();
    const rootPem = await issueRoot(keys, SCOPE.trustDomain, world.clock.now());
    const signer = await readSigner(rootPem, privateKeyPem(keys.privateKey));
    return {
      rootPem,
      secret: async (name) => {
        const own = await generateKeys();
        const self = await issueRoot(own, SCOPE.trustDomain, world.clock.now());
        const intermediatePem = await issueCrossSigned(signer, self, world.clock.now());
        const data = Object.fromEntries(
          Object.entries({
            'root.crt': rootPem,
            'intermediate.crt': intermediatePem,
            'intermediate.key': privateKeyPem(own.privateKey),
          }).map(([field, text]) => [field, Buffer.from(text).toString('base64')]),
        );
        return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'mesh' }, data };
      },
    };
  }

  test('an intermediate signs, another one under the same root takes its place, and age replaces nothing', async () => {
    const replica = await world.replica();
    const { rootPem, secret } = await offline();
    const { api } = world.base.fake;
    await api.create(SECRETS, (await secret('mesh-ca-next')) as never);
    await world.ask('offline');
    await world.settle(() => [replica], everyoneTrusts);
    expect(active()).toBe(sha256Hex(readCertificates(rootPem)[0]!.raw));
    const first = readCertificates(await replica.sign())[1]!;
    await api.create(SECRETS, (await secret('mesh-ca-next')) as never);
    await world.ask('next-intermediate');
    await world.settle(() => [replica], everyoneTrusts);
    expect(await replica.authority.fault()).toBeUndefined();
    const second = readCertificates(await replica.sign())[1]!;
    expect(second.fingerprint256).not.toBe(first.fingerprint256);
    expect([world.secrets, world.status.roots!.length]).toEqual([['mesh-ca'], 1]);
    await world.clock.advance(9 * 365 * 86_400_000);
    await world.settle(() => [replica]);
    expect(world.status.roots!.map(({ pem }) => pem)).toEqual([rootPem]);
  });

  test('back to a root of the mesh’s own', async () => {
    const replica = await world.replica();
    const { secret } = await offline();
    await world.base.fake.api.create(SECRETS, (await secret('mesh-ca-next')) as never);
    await world.ask('offline');
    await world.settle(() => [replica], everyoneTrusts);
    await world.ask('own');
    await world.settle(() => [replica], everyoneTrusts);
    expect(readCertificates(await replica.sign())).toHaveLength(1);
  });
});
