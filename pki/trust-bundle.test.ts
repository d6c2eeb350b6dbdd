import { X509Certificate } from 'node:crypto';

import { trustDomain } from '#core/spiffe-id.ts';
import { parseSpiffeId } from '#core/spiffe-id.ts';

import { readCertificates } from './pem.ts';
import { TestPki } from './testing/test-pki.fake.ts';
import { TrustBundle, trustBundleOf } from './trust-bundle.ts';

const WEB = { namespace: 'shop', service: 'web' };
const OWN = trustDomain('cluster.local');
const PARTNER = trustDomain('partner.example');

describe('a trust bundle', () => {
  let own: TestPki;
  let partner: TestPki;
  let both: TrustBundle;
  beforeAll(async () => {
    own = await TestPki.create();
    partner = await TestPki.create({ trustDomain: PARTNER });
    both = new TrustBundle(
      new Map([
        [OWN, readCertificates(own.rootPem)],
        [PARTNER, readCertificates(partner.rootPem)],
      ]),
    );
  });

  const leaf = async (pki: TestPki, bends = {}) =>
    readCertificates((await pki.leaf(WEB, bends)).certChainPem);
  const now = () => Date.now();

  test('trusts a leaf of its own root, directly and through an intermediate', async () => {
    const [direct] = await leaf(own);
    expect(both.fault(direct!, OWN, { now: now() })).toBeUndefined();
    const [deep, ...intermediates] = await leaf(await own.withIntermediate());
    expect(both.fault(deep!, OWN, { now: now(), intermediates })).toBeUndefined();
    expect(both.fault(deep!, OWN, { now: now() })).toContain('no valid path');
  });

  test('never lets a federated root vouch for our own trust domain', async () => {
    const [forged] = await leaf(partner, { uri: own.spiffeId(WEB) });
    expect(parseSpiffeId(own.spiffeId(WEB))?.trustDomain).toBe(OWN);
    expect(both.fault(forged!, OWN, { now: now() })).toContain('no valid path');
    expect(both.fault(forged!, PARTNER, { now: now() })).toBeUndefined();
  });

  test('does not trust a foreign authority of the same name, an ended leaf, or a leaf that signs', async () => {
    const [foreign] = await leaf(await own.foreign());
    expect(both.fault(foreign!, OWN, { now: now() })).toContain('no valid path');
    const [ended] = await leaf(own, { notBefore: now() - 20_000, notAfter: now() - 10_000 });
    expect(both.fault(ended!, OWN, { now: now() })).toContain('not valid at this time');
    expect(both.fault(ended!, trustDomain('nobody.example'), { now: now() })).toContain(
      'no root certificate',
    );
  });

  test('is equal to another of the same roots in any order, and to no other', async () => {
    const turned = new TrustBundle(
      new Map([
        [PARTNER, readCertificates(partner.rootPem + partner.rootPem)],
        [OWN, readCertificates(own.rootPem)],
      ]),
    );
    expect(both.equals(turned)).toBe(true);
    expect(both.rootsOfAllDomains).toHaveLength(2);
    expect(both.equals(own.bundle)).toBe(false);
    const swapped = new TrustBundle(
      new Map([
        [OWN, readCertificates(partner.rootPem)],
        [PARTNER, readCertificates(own.rootPem)],
      ]),
    );
    expect(both.equals(swapped)).toBe(false);
  });

  test("is read from the MeshConfig; one broken entry takes nobody else's trust away", async () => {
    const [workload] = await leaf(own);
    const { bundle, faults } = trustBundleOf({
      metadata: { name: 'mesh' },
      spec: {
        federation: [
          { trustDomain: PARTNER, bundle: partner.rootPem },
          { trustDomain: 'broken.example', bundle: 'x' },
          { trustDomain: 'leaf.example', bundle: workload!.toString() },
          { trustDomain: OWN, bundle: partner.rootPem },
        ],
      },
      status: { roots: [{ id: 'abc', pem: own.rootPem, active: true, notAfter: '2036-01-01T00:00:00Z' }] },
    });
    expect(bundle.equals(both)).toBe(true);
    expect(faults).toHaveLength(3);
    expect(faults.join('\n')).toContain("this mesh's own trust domain");
    expect(new X509Certificate(bundle.pem).raw).toEqual(readCertificates(own.rootPem)[0]!.raw);
  });

  test('has what was fetched of a trust domain, and of no other than the spec names now', () => {
    const endpoint = { url: 'https://partner.example/', profile: 'https_web' as const };
    const config = (
      federation: { trustDomain: string; bundleEndpoint: typeof endpoint }[],
      bundlePem?: string,
    ) => ({
      metadata: { name: 'mesh' },
      spec: { federation },
      status: {
        roots: [{ id: 'abc', pem: own.rootPem, active: true, notAfter: '2036-01-01T00:00:00Z' }],
        federation: [
          ...(bundlePem === undefined ? [] : [{ trustDomain: PARTNER, bundle: bundlePem }]),
          // As an operator that was taken over would have it.
          { trustDomain: OWN, bundle: partner.rootPem },
          { trustDomain: 'gone.example', bundle: partner.rootPem },
        ],
      },
    });
    const federated = [{ trustDomain: PARTNER, bundleEndpoint: endpoint }];
    expect(trustBundleOf(config(federated, partner.rootPem)).bundle.equals(both)).toBe(true);
    expect(trustBundleOf(config([], partner.rootPem)).bundle.equals(own.bundle)).toBe(true);
    const waiting = trustBundleOf(config(federated));
    expect(waiting.bundle.equals(own.bundle)).toBe(true);
    expect(waiting.faults).toEqual(['federation: partner.example: no bundle is known yet']);
    const taken = trustBundleOf(config(federated, ''));
    expect(taken.bundle.rootsOf(PARTNER)).toEqual([]);
    expect(taken.faults).toEqual([]);
    const asOurs = trustBundleOf(config([{ trustDomain: OWN, bundleEndpoint: endpoint }]));
    expect(asOurs.bundle.equals(own.bundle)).toBe(true);
  });

  test('loses no more than one entry by a name that is none', () => {
    const { bundle, faults } = trustBundleOf({
      metadata: { name: 'mesh' },
      spec: {
        federation: [
          { trustDomain: 'NO NAME', bundle: partner.rootPem },
          { trustDomain: PARTNER, bundle: partner.rootPem },
        ],
      },
      status: { roots: [{ id: 'abc', pem: own.rootPem, active: true, notAfter: '2036-01-01T00:00:00Z' }] },
    });
    expect(bundle.equals(both)).toBe(true);
    expect(faults).toHaveLength(1);
  });
});
