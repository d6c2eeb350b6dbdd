import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import { DB, FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { pause } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';

let mesh: FakeMesh;
let partner: TestPki;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { headerMs: 500 } });
  partner = await TestPki.create({ trustDomain: 'partner.example' });
});
afterEach(() => mesh.stop());

async function ask(leaf: { readonly certChainPem: string; readonly keyPem: string }): Promise<unknown> {
  const peer = await RawPeer.web(mesh, tlsOf(leaf));
  return peer.ask({ port: mesh.db.app.port });
}

function tlsOf(leaf: { readonly certChainPem: string; readonly keyPem: string }): {
  cert: string;
  key: string;
} {
  return { cert: leaf.certChainPem, key: leaf.keyPem };
}

/** As after MeshConfig named the partner. */
function federate(): void {
  const roots = (pki: TestPki) => TrustBundle.of(pki.trustDomain, pki.rootPem).rootsOfAllDomains;
  const bundle = new TrustBundle(
    new Map([
      [mesh.pki.trustDomain, roots(mesh.pki)],
      [partner.trustDomain, roots(partner)],
    ]),
  );
  mesh.db.identity.set({ bundle });
}

test('a certificate signed through an intermediate is trusted', async () => {
  expect(await ask(await (await mesh.pki.withIntermediate()).svid(WEB))).toEqual({ ok: true });
});

test('a workload of a federated trust domain is known by its own identity', async () => {
  federate();
  expect(await ask(await partner.svid(WEB))).toEqual({ ok: true });
  expect(mesh.db.metrics.opened).toMatchObject([{ peer: partner.spiffeId(WEB) }]);
});

test('federation takes nothing from our own peers that are signed through an intermediate', async () => {
  const issuing = await mesh.pki.withIntermediate();
  mesh.db.identity.set({ svid: await issuing.svid(DB) });
  federate();
  expect(await ask(await issuing.svid(WEB))).toEqual({ ok: true });
});

test('a root that is added leaves connections of such peers alone', async () => {
  const peer = await RawPeer.web(mesh, tlsOf(await (await mesh.pki.withIntermediate()).svid(WEB)));
  expect(await peer.ask({ port: mesh.db.app.port })).toEqual({ ok: true });
  const next = await mesh.pki.foreign();
  const roots = [...mesh.pki.bundle.rootsOfAllDomains, ...next.bundle.rootsOfAllDomains];
  mesh.db.identity.set({ bundle: new TrustBundle(new Map([[mesh.pki.trustDomain, roots]])) });
  await pause(100);
  expect(peer.ending).toBe('open');
  mesh.db.identity.set({ bundle: next.bundle });
  expect(await peer.ended()).toBe('reset');
});

test('what a client shows above its leaf is for OpenSSL alone: a federated one behind an intermediate is refused', async () => {
  federate();
  const leaf = await (await partner.withIntermediate()).svid(WEB);
  expect(await ask(leaf)).toBeUndefined();
  expect(mesh.db.metrics.refused).toEqual(['untrusted-certificate']);
});

test('a federated authority cannot vouch for a workload of ours', async () => {
  federate();
  const leaf = await partner.leaf(WEB, { uri: mesh.pki.spiffeId(WEB) });
  expect(await ask(leaf)).toBeUndefined();
  expect(mesh.db.metrics.refused).toEqual(['untrusted-certificate']);
});

test('our own authority cannot vouch for a workload of the partner', async () => {
  federate();
  const leaf = await mesh.pki.leaf(WEB, { uri: partner.spiffeId(WEB) });
  expect(await ask(leaf)).toBeUndefined();
  expect(mesh.db.metrics.refused).toEqual(['untrusted-certificate']);
});

test('without federation the partner is a stranger', async () => {
  expect(await ask(await partner.svid(WEB))).toBeUndefined();
  expect(mesh.db.metrics.refused).toEqual(['untrusted-certificate']);
});
