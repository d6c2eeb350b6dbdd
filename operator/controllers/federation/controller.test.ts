import type { MeshConfig, MeshConfigSpec } from '#core/model/mesh-config.ts';
import { MESH_CONFIGS } from '#kube/types.ts';
import { readCertificates } from '#pki/pem.ts';
import { writeSpiffeBundle } from '#pki/spiffe-bundle.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import type { Controller } from '../../control-loop/controller.ts';
import { ControllerWorld, SCOPE } from '../controllers.fake.ts';
import { FederationController } from './controller.ts';

const PARTNER = 'partner.example';
const WEB = {
  trustDomain: PARTNER,
  bundleEndpoint: { url: 'https://bundle.test/', profile: 'https_web' as const },
};

let world: ControllerWorld;
let meshConfigs: FakeCache<MeshConfig>;
let own: TestPki;
let partner: TestPki;
let next: TestPki;
/** What endpoints answer, by URL: text, or a fault. */
let answers: Map<string, string | Error>;
let asked: { url: string; authorities: readonly string[] }[];
let running: Controller;

beforeAll(async () => {
  own = await TestPki.create();
  partner = await TestPki.create({ trustDomain: PARTNER });
  next = await partner.foreign();
});
beforeEach(async () => {
  world = await ControllerWorld.make();
  meshConfigs = new FakeCache();
  asked = [];
  answers = new Map([['https://bundle.test/', bundle(1, partner)]]);
});
afterEach(() => world.end());

const roots = (...of: TestPki[]) => of.flatMap(({ rootPem }) => readCertificates(rootPem));
const bundle = (sequence: number, ...of: TestPki[]) =>
  writeSpiffeBundle(roots(...of), { sequence, refreshHint: 120 });
const found = () => world.fake.find(MESH_CONFIGS, { name: 'mesh' })!;
const fetched = (trustDomain = PARTNER) =>
  found().status?.federation?.find((status) => status.trustDomain === trustDomain);
const condition = () => found().status?.conditions?.find(({ type }) => type === 'FederationReady');
const writes = async () =>
  (await world.metrics.statusWrites.get()).values.reduce((sum, { value }) => sum + value, 0);

async function begin(federation: MeshConfigSpec['federation']): Promise<void> {
  await world.fake.api.create(MESH_CONFIGS, {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'mesh' },
    spec: { federation },
  });
  const status = { roots: [{ id: 'own', pem: own.rootPem, active: true, notAfter: '2036-01-01T00:00:00Z' }] };
  await world.fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { status }, { subresource: 'status' });
  world.sync(MESH_CONFIGS, meshConfigs);
  running = await world.run(duty());
  await settled();
}

function duty(): FederationController {
  return new FederationController({
    ...{ api: world.fake.api, clock: world.clock, events: world.events, log: world.log },
    ...{ metrics: world.metrics, meshConfigs, scope: SCOPE, random: () => 1 },
    source: (endpoint, authorities) => {
      asked.push({ url: endpoint.url, authorities: authorities.map(({ fingerprint256 }) => fingerprint256) });
      const answer = answers.get(endpoint.url) ?? new Error('nobody is there');
      return typeof answer === 'string' ? Promise.resolve(answer) : Promise.reject(answer);
    },
  });
}

/** Until the controller has nothing left to do with what it wrote itself. */
async function settled(): Promise<void> {
  await running.idle();
  world.sync(MESH_CONFIGS, meshConfigs);
  await running.idle();
}

async function pass(ms: number): Promise<void> {
  await world.clock.advance(ms);
  await settled();
}

async function change(federation: MeshConfigSpec['federation']): Promise<void> {
  await world.fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { spec: { federation } });
  await settled();
  await settled();
}

test('a bundle is fetched, published and told of; the next look is when the bundle says, and writes nothing', async () => {
  await begin([WEB]);
  expect(fetched()).toMatchObject({ bundle: partner.rootPem, sequence: 1, fetchedAt: expect.any(String) });
  expect(condition()).toMatchObject({ status: 'True', reason: 'Fetched' });
  expect(world.events.told).toMatchObject([
    {
      type: 'Normal',
      reason: 'BundleFetched',
      message: expect.stringContaining('bundle number 1 of partner.example'),
    },
  ]);
  expect(await writes()).toBe(1);
  await pass(119_000);
  expect(asked).toHaveLength(1);
  await pass(2_000);
  expect(asked).toHaveLength(2);
  expect(await writes()).toBe(1);
});

test('new roots are published as soon as they are fetched', async () => {
  await begin([WEB]);
  answers.set(WEB.bundleEndpoint.url, bundle(2, partner, next));
  await pass(121_000);
  expect(readCertificates(fetched()!.bundle!)).toHaveLength(2);
  expect(fetched()?.sequence).toBe(2);
});

test('what was fetched holds while the endpoint is away; that is told after three misses, and taken back', async () => {
  await begin([WEB]);
  answers.set(WEB.bundleEndpoint.url, new Error('nobody is there'));
  await pass(121_000);
  await pass(301_000);
  expect(await writes()).toBe(1);
  await pass(301_000);
  expect(fetched()).toMatchObject({ bundle: partner.rootPem, message: 'nobody is there' });
  expect(condition()).toMatchObject({ status: 'False', message: 'partner.example: nobody is there' });
  expect(await writes()).toBe(2);
  await pass(301_000);
  expect(await writes()).toBe(2);
  answers.set(WEB.bundleEndpoint.url, bundle(1, partner));
  await pass(301_000);
  expect(fetched()?.message).toBeUndefined();
  expect(condition()).toMatchObject({ status: 'True' });
  expect(world.events.told.map(({ reason }) => reason)).toEqual(['BundleFetched', 'FederationFault']);
});

test('an endpoint that never answered is told of at once, and asked again soon', async () => {
  answers.clear();
  await begin([WEB]);
  expect(fetched()).toEqual({ trustDomain: PARTNER, message: 'nobody is there' });
  answers.set(WEB.bundleEndpoint.url, bundle(1, partner));
  await pass(5_100);
  expect(fetched()).toMatchObject({ bundle: partner.rootPem });
});

test.each([
  ['no bundle', () => '<html>', 'is not JSON'],
  ['an older one', () => bundle(0, next), 'a bundle with number 0, after number 1'],
  ['one that is too large', () => bundle(2, ...Array<TestPki>(17).fill(next)), 'at most 16 certificates'],
])(
  '%s is refused at once with the reason, and what was fetched before holds',
  async (_what, text, reason) => {
    await begin([WEB]);
    answers.set(WEB.bundleEndpoint.url, text());
    await pass(121_000);
    expect(fetched()).toMatchObject({
      bundle: partner.rootPem,
      sequence: 1,
      message: expect.stringContaining(reason),
    });
  },
);

test('a trust domain that takes its keys back is trusted no longer', async () => {
  await begin([WEB]);
  answers.set(WEB.bundleEndpoint.url, bundle(2));
  await pass(121_000);
  expect(fetched()).toMatchObject({ bundle: '', sequence: 2 });
  expect(condition()).toMatchObject({
    status: 'False',
    message: expect.stringContaining('taken its keys back'),
  });
});

test('an older bundle is refused by the next leader too, also after one without a number was refused', async () => {
  answers.set('https://bundle.test/', bundle(5, next));
  await begin([WEB]);
  expect(fetched()).toMatchObject({ sequence: 5, bundle: next.rootPem });
  const unnumbered = { ...(JSON.parse(bundle(0, partner)) as object), spiffe_sequence: undefined };
  for (const older of [JSON.stringify(unnumbered), bundle(4, partner)]) {
    answers.set('https://bundle.test/', older);
    await pass(300_000);
    expect(fetched()).toMatchObject({ sequence: 5, bundle: next.rootPem });
    expect(condition()).toMatchObject({ status: 'False' });
    await running.stop();
    running = await world.run(duty());
    await settled();
    expect(fetched()).toMatchObject({ sequence: 5, bundle: next.rootPem });
  }
});

test('a leader whose cache is behind does not put an older bundle over what the last one published', async () => {
  await begin([WEB]);
  await running.stop();
  const behind = found();
  const newer = [{ ...fetched()!, sequence: 5, bundle: next.rootPem }];
  await world.fake.api.mergePatch(
    MESH_CONFIGS,
    { name: 'mesh' },
    { status: { federation: newer } },
    { subresource: 'status' },
  );
  meshConfigs.put(behind);
  answers.set('https://bundle.test/', bundle(3, partner, own));
  running = await world.run(duty());
  await running.idle();
  world.sync(MESH_CONFIGS, meshConfigs);
  await pass(1_000);
  expect(fetched()).toMatchObject({ sequence: 5, bundle: next.rootPem });
});

test('an entry that is taken away takes what was fetched along, and its numbers are forgotten', async () => {
  await begin([WEB]);
  await change([]);
  expect(found().status?.federation).toEqual([]);
  expect(condition()).toBeUndefined();
  answers.set(WEB.bundleEndpoint.url, bundle(0, next));
  await change([WEB]);
  expect(fetched()).toMatchObject({ bundle: next.rootPem, sequence: 0 });
});

test('another address is asked at once; what came from the last one holds until it answers', async () => {
  await begin([WEB]);
  const moved = { ...WEB, bundleEndpoint: { ...WEB.bundleEndpoint, url: 'https://moved.test/' } };
  await change([moved]);
  expect(fetched()).toMatchObject({ bundle: partner.rootPem, message: 'nobody is there' });
  answers.set('https://moved.test/', bundle(0, next));
  await pass(5_100);
  expect(fetched()).toMatchObject({ bundle: next.rootPem, sequence: 0 });
});

describe('an endpoint of https_spiffe', () => {
  const spiffe = (bends: object = {}) => ({
    trustDomain: PARTNER,
    bundleEndpoint: {
      url: WEB.bundleEndpoint.url,
      profile: 'https_spiffe' as const,
      endpointSpiffeId: `spiffe://${PARTNER}/spire/server`,
      bundle: bundle(1, partner),
      ...bends,
    },
  });
  const prints = (...of: TestPki[]) => roots(...of).map(({ fingerprint256 }) => fingerprint256);

  test('is checked by the written bundle first, then by the last one that was fetched, also by the next leader', async () => {
    await begin([spiffe()]);
    answers.set(WEB.bundleEndpoint.url, bundle(2, next));
    await pass(121_000);
    await pass(121_000);
    expect(asked.map(({ authorities }) => authorities)).toEqual([
      prints(partner),
      prints(partner),
      prints(next),
    ]);
    await world.run(duty());
    expect(asked.at(-1)?.authorities).toEqual(prints(next));
  });

  test('is checked by a new written bundle when there is one', async () => {
    await begin([spiffe()]);
    await change([spiffe({ bundle: next.rootPem })]);
    expect(asked.at(-1)?.authorities).toEqual(prints(next));
  });

  test('of another trust domain is checked by what is known of that one', async () => {
    const elsewhere = spiffe({ endpointSpiffeId: 'spiffe://hub.example/bundles', bundle: undefined });
    await begin([elsewhere, { trustDomain: 'hub.example', bundle: next.rootPem }]);
    expect(asked.at(-1)?.authorities).toEqual(prints(next));
    expect(fetched()).toMatchObject({ bundle: partner.rootPem });
  });

  test('is asked no more once its trust domain took its keys back, until somebody writes a new bundle', async () => {
    await begin([spiffe()]);
    answers.set(WEB.bundleEndpoint.url, bundle(2));
    await pass(121_000);
    const before = asked.length;
    answers.set(WEB.bundleEndpoint.url, bundle(3, next));
    await pass(301_000);
    expect(asked).toHaveLength(before);
    await change([spiffe({ bundle: bundle(3, next) })]);
    expect(fetched()).toMatchObject({ bundle: next.rootPem, sequence: 3 });
  });
});

test('an entry that is wrong is not asked, and keeps what was fetched', async () => {
  await begin([WEB]);
  const wrong = { ...WEB, bundleEndpoint: { ...WEB.bundleEndpoint, url: 'http://bundle.test/' } };
  await change([wrong]);
  expect(asked).toHaveLength(1);
  expect(fetched()).toMatchObject({ bundle: partner.rootPem });
});

test('other conditions stay as they are, and a write that came between is not undone', async () => {
  await begin([]);
  const accepted = {
    type: 'Accepted',
    status: 'True' as const,
    reason: 'Valid',
    message: 'in force',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const address = { name: 'mesh' };
  await world.fake.api.mergePatch(
    MESH_CONFIGS,
    address,
    { status: { conditions: [accepted] } },
    { subresource: 'status' },
  );
  // The cache has not heard of it yet.
  const stale = { ...found(), spec: { federation: [WEB] }, metadata: { name: 'mesh', resourceVersion: '1' } };
  meshConfigs.put({ ...stale, status: { ...stale.status, conditions: [] } });
  await running.idle();
  expect(found().status?.conditions).toEqual([accepted]);
  await change([WEB]);
  await pass(300);
  expect(
    found()
      .status?.conditions?.map(({ type }) => type)
      .sort(),
  ).toEqual(['Accepted', 'FederationReady']);
});

test('when an endpoint answered last is known while this operator leads, and no longer', async () => {
  const known = async () =>
    (await world.metrics.federationLastFetch.get()).values.map(({ labels }) => labels);
  await begin([WEB]);
  expect(await known()).toEqual([{ trust_domain: PARTNER }]);
  await running.stop();
  expect(await known()).toEqual([]);
});

test('our own bundle has a number, which grows when the roots change', async () => {
  await begin([]);
  const first = found().status?.ownBundle;
  expect(first?.sequence).toBe(Math.floor(world.clock.now() / 1000));
  const changed = {
    roots: [...found().status!.roots!, { id: 'next', pem: next.rootPem, active: false, notAfter: '' }],
  };
  await world.fake.api.mergePatch(
    MESH_CONFIGS,
    { name: 'mesh' },
    { status: changed },
    { subresource: 'status' },
  );
  await settled();
  await settled();
  expect(found().status?.ownBundle?.sequence).toBe(first!.sequence + 1);
});
