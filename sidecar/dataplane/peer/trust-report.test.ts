import { readSvid } from '#pki/svid.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import { admitShown } from './admit.ts';
import type { AdmittedPeer } from './admit.ts';
import { LivingPeer } from './living-peer.ts';
import { trustReport } from './trust-report.ts';

const DB = { namespace: 'shop', service: 'db' };
const WEB = { namespace: 'shop', service: 'web' };
const NOW = Date.now();

let old: TestPki;
let next: TestPki;
let both: TrustBundle;
beforeAll(async () => {
  [old, next] = [await TestPki.create(), await TestPki.create()];
  both = TrustBundle.of(old.trustDomain, old.rootPem + next.rootPem);
});

const ids = (...pkis: TestPki[]): string[] =>
  pkis.map(({ bundle }) => bundle.rootsOfAllDomains[0]!.fingerprint256.replaceAll(':', '').toLowerCase());

async function report(own: TestPki, peers: readonly AdmittedPeer[], bundle = both) {
  const leaf = await own.leaf(DB);
  return trustReport({ svid: readSvid(leaf), bundle, version: 1 }, old.trustDomain, peers, NOW);
}

async function peerOf(pki: TestPki): Promise<AdmittedPeer> {
  return admitShown([(await pki.leaf(WEB)).certChainPem], both, NOW);
}

test('a sidecar leans on the root of its own certificate', async () => {
  expect(await report(old, [])).toEqual({ roots: ids(old, next), leans: ids(old) });
  expect(await report(next, [])).toEqual({ roots: ids(old, next), leans: ids(next) });
});

test('and on those of its peers, whatever their number', async () => {
  const peer = await peerOf(old);
  expect(
    (
      await report(
        next,
        Array.from({ length: 500 }, () => peer),
      )
    ).leans,
  ).toEqual(ids(old, next));
});

test('no longer when the peer has proven itself again', async () => {
  const peer = new LivingPeer(await peerOf(old));
  expect((await report(next, [peer])).leans).toContain(ids(old)[0]);
  peer.renew(await peerOf(next));
  expect((await report(next, [peer])).leans).toEqual(ids(next));
});

test('with one root everything leans on it', async () => {
  expect(await report(old, [], old.bundle)).toEqual({ roots: ids(old), leans: ids(old) });
});

test('asking takes no belief away', async () => {
  const peer = await peerOf(old);
  await report(next, [peer]);
  expect(peer.fault(both, NOW)).toBeUndefined();
  expect(peer.fault(next.bundle, NOW)).toMatchObject({ reason: 'untrusted-certificate' });
});
