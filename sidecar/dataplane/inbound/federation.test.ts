import type { FederationStatus } from '#core/model/federation.ts';
import type { MeshConfigSpec } from '#core/model/mesh-config.ts';
import { Policy } from '#core/policy/policy.ts';
import { toRule } from '#core/policy/rule.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { systemClock } from '#base/clock.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { MESH_CONFIGS } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { DB, FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';
import { Trust } from '../../sources/trust/trust.ts';

/** Peers of other trust domains, from the MeshConfig in the API server to the connection. */

const ENDPOINT = { url: 'https://bundle.test/', profile: 'https_web' } as const;

let fake: FakeApiServer;
let mesh: FakeMesh;
let trust: Trust;
let partner: TestPki;
let rival: TestPki;

beforeEach(async () => {
  fake = await FakeApiServer.started();
  mesh = await FakeMesh.start({ settings: { headerMs: 500 } });
  [partner, rival] = (await Promise.all(
    ['partner.example', 'rival.example'].map((trustDomain) => TestPki.create({ trustDomain })),
  )) as [TestPki, TestPki];
  trust = new Trust({ api: fake.api, clock: systemClock, log: new FakeLog() });
});
afterEach(async () => {
  await trust.stop();
  await mesh.stop();
  await fake.close();
});

interface Foreign {
  readonly spec: NonNullable<MeshConfigSpec['federation']>[number];
  readonly status?: FederationStatus;
}

const fetched = (pki: TestPki, bundle = pki.rootPem): Foreign => ({
  spec: { trustDomain: pki.trustDomain, bundleEndpoint: ENDPOINT },
  status: { trustDomain: pki.trustDomain, bundle },
});
const written = (pki: TestPki): Foreign => ({ spec: { trustDomain: pki.trustDomain, bundle: pki.rootPem } });

/** The API server has a MeshConfig with these foreign trust domains, and the sidecar has read it. */
async function federate(...foreign: readonly Foreign[]): Promise<void> {
  publish(...foreign);
  trust.onChange(() => mesh.db.identity.set({ bundle: trust.current()!.bundle }));
  trust.start();
  await eventually(() => trust.current() !== undefined);
}

function publish(...foreign: readonly Foreign[]): void {
  fake.put(MESH_CONFIGS, {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'mesh' },
    spec: { trustDomain: mesh.pki.trustDomain, federation: foreign.map(({ spec }) => spec) },
    status: {
      roots: [{ id: 'own', pem: mesh.pki.rootPem, active: true, notAfter: '2036-01-01T00:00:00Z' }],
      federation: foreign.flatMap(({ status }) => status ?? []),
    },
  });
}

/** The rules of db, decided as the sidecar decides. */
function allow(...sources: object[]): void {
  const rules = sources.map((source, index) =>
    toRule(
      {
        metadata: { name: `rule-${index}`, namespace: 'shop' },
        spec: { source, destination: { service: 'db' }, action: 'allow' },
      },
      'mesh',
    ),
  );
  const policy = new Policy(mesh.pki, 'deny', rules);
  const destination = { namespace: namespaceName(DB.namespace), service: serviceName(DB.service) };
  mesh.policy.decideBy((source) => policy.decide({ source, destination, now: Date.now() }).action);
}

/** A program with an SVID that knows nothing of our protocol. */
async function connect(leaf: { readonly certChainPem: string; readonly keyPem: string }): Promise<RawPeer> {
  const peer = await RawPeer.web(mesh, { cert: leaf.certChainPem, key: leaf.keyPem, ALPNProtocols: [] });
  peer.tls!.write('hello');
  await eventually(() => peer.received.length > 0 || peer.ending !== 'open');
  return peer;
}

const isLetIn = (peer: RawPeer) => peer.received.toString() === 'hello';

test.each([
  ['written', written],
  ['fetched', fetched],
])('a caller that a rule names is let in by the %s bundle of its trust domain', async (_how, how) => {
  await federate(how(partner), fetched(rival));
  allow({ spiffeId: partner.spiffeId(WEB) });
  expect(isLetIn(await connect(await partner.svid(WEB)))).toBe(true);
  expect(mesh.db.metrics.opened).toMatchObject([{ peer: partner.spiffeId(WEB) }]);
});

test('a foreign identity with the path of a service of ours is let in by no rule about that service', async () => {
  await federate(fetched(partner));
  allow({ service: 'web' }, { service: '*' }, { service: '*', namespace: '*' });
  expect(isLetIn(await connect(await mesh.pki.svid(WEB)))).toBe(true);
  const stranger = await connect(await partner.svid(WEB));
  expect(await stranger.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['denied']);
});

test.each<[string, () => TestPki, () => TestPki]>([
  ['a foreign root cannot vouch for our trust domain', () => partner, () => mesh.pki],
  ['a foreign root cannot vouch for another foreign trust domain', () => partner, () => rival],
  ['our root cannot vouch for a foreign trust domain', () => mesh.pki, () => partner],
])('%s, whatever the rules say', async (_what, signer, claimed) => {
  await federate(fetched(partner), fetched(rival));
  allow({ spiffeId: claimed().spiffeId(WEB) }, { service: 'web' });
  const peer = await connect(await signer().leaf(WEB, { uri: claimed().spiffeId(WEB) }));
  expect(await peer.ended()).toBe('reset');
  expect(mesh.db.metrics.refused).toEqual(['untrusted-certificate']);
  expect(mesh.db.app.seen).toBe(0);
});

describe('an open connection of a foreign caller', () => {
  let peer: RawPeer;
  let ours: RawPeer;
  beforeEach(async () => {
    await federate(fetched(partner), fetched(rival));
    allow({ spiffeId: partner.spiffeId(WEB) }, { service: 'web' });
    peer = await connect(await partner.svid(WEB));
    ours = await connect(await mesh.pki.svid(WEB));
    expect([isLetIn(peer), isLetIn(ours)]).toEqual([true, true]);
  });

  test.each<[string, () => void]>([
    ['its trust domain is taken out of the MeshConfig', () => publish(fetched(rival))],
    ['its trust domain takes its keys back', () => publish(fetched(partner, ''), fetched(rival))],
    ['its trust domain replaces its roots', () => publish(fetched(partner, rival.rootPem), fetched(rival))],
  ])('is cut within a second when %s, and nobody else is', async (_what, change) => {
    const began = Date.now();
    change();
    expect(await peer.ended()).toBe('reset');
    expect(Date.now() - began).toBeLessThan(1_000);
    expect(mesh.db.metrics.cut).toEqual(['untrusted-certificate']);
    expect(ours.ending).toBe('open');
    expect(await (await connect(await partner.svid(WEB))).ended()).toBe('reset');
  });

  test('stays when the bundle gains a root', async () => {
    const next = await partner.foreign();
    publish(fetched(partner, partner.rootPem + next.rootPem), fetched(rival));
    await eventually(() => trust.current()!.bundle.rootsOf(partner.trustDomain).length === 2);
    await pause(50);
    expect(peer.ending).toBe('open');
  });
});
