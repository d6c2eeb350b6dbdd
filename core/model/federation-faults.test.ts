import fc from 'fast-check';

import { federatedSchema } from './federation.ts';
import { federationFaults } from './federation-faults.ts';

const CERTIFICATE = `-----BEGIN CERTIFICATE-----\n${Buffer.from([0x30, 0x03, 1, 2, 3]).toString('base64')}\n-----END CERTIFICATE-----\n`;
const BUNDLE = JSON.stringify({ keys: [{ kty: 'EC', use: 'x509-svid', x5c: ['MAMBAgM='] }] });

const web = { url: 'https://bundle.partner.example/', profile: 'https_web' } as const;
const spiffe = {
  url: 'https://spire.partner.example:8443/',
  profile: 'https_spiffe',
  endpointSpiffeId: 'spiffe://partner.example/spire/server',
  bundle: BUNDLE,
} as const;

/** Faults of one entry for partner.example, without their common beginning. */
const told = (entry: object, ...others: { trustDomain: string; bundle: string }[]) =>
  federationFaults([{ trustDomain: 'partner.example', ...entry }, ...others], 'cluster.local').map(
    ({ field, message }) => `${field.replace('spec.federation[0]', '')}: ${message}`,
  );
const of = (base: object, bends: object) => told({ bundleEndpoint: { ...base, ...bends } });

describe('federation with a bundle endpoint', () => {
  test.each([
    ['whose name the public authorities vouch for', { bundleEndpoint: web }],
    [
      'whose name an authority of its own vouches for',
      { bundleEndpoint: { ...web, caCertificate: CERTIFICATE } },
    ],
    ['that shows its identity, first known by a bundle', { bundleEndpoint: spiffe }],
    ['that shows its identity, first known by PEM', { bundleEndpoint: { ...spiffe, bundle: CERTIFICATE } }],
  ])('is accepted: %s', (_what, entry) => {
    expect(told(entry)).toEqual([]);
    expect(federatedSchema.safeParse({ trustDomain: 'partner.example', ...entry }).success).toBe(true);
  });

  test('of another trust domain is checked by that one’s own entry', () => {
    const elsewhere = { ...spiffe, endpointSpiffeId: 'spiffe://hub.example/bundles', bundle: undefined };
    const hub = { trustDomain: 'hub.example', bundle: CERTIFICATE };
    expect(told({ bundleEndpoint: elsewhere }, hub)).toEqual([]);
    expect(told({ bundleEndpoint: { ...elsewhere, endpointSpiffeId: 'spiffe://cluster.local/x' } })).toEqual(
      [],
    );
    expect(told({ bundleEndpoint: elsewhere })).toEqual([
      '.bundleEndpoint.endpointSpiffeId: is of trust domain "hub.example", which nothing here says how to check; add an entry for that trust domain',
    ]);
    expect(told({ bundleEndpoint: { ...elsewhere, bundle: BUNDLE } }, hub)).toEqual([
      '.bundleEndpoint.bundle: is for endpoints of "partner.example" itself; this one is checked by the entry for "hub.example"; remove it',
    ]);
  });

  test.each<[string, () => string[], string[]]>([
    [
      'with roots written down as well',
      () => told({ bundle: CERTIFICATE, bundleEndpoint: web }),
      [': has both bundle and bundleEndpoint; write one of them'],
    ],
    [
      'with neither',
      () => told({}),
      [': has neither bundle nor bundleEndpoint; write the root certificates, or where they are fetched'],
    ],
    [
      'at no address',
      () => of(web, { url: 'partner' }),
      [
        '.bundleEndpoint.url: "partner" is not a valid address; write such as "https://spire.partner.example:8443/"',
      ],
    ],
    [
      'over plain HTTP',
      () => of(web, { url: 'http://bundle.partner.example/' }),
      [
        '.bundleEndpoint.url: begins with "http:": who is trusted is never read over an unprotected connection; write https://',
      ],
    ],
    [
      'with a part that stays here',
      () => of(web, { url: 'https://bundle.partner.example/#a' }),
      ['.bundleEndpoint.url: has a "#" part, which no server ever sees; remove it'],
    ],
    [
      'of https_web with what only https_spiffe has',
      () => of(spiffe, { profile: 'https_web' }),
      [
        '.bundleEndpoint.endpointSpiffeId: is for the profile https_spiffe; remove it, or write that profile',
        '.bundleEndpoint.bundle: is for the profile https_spiffe; remove it, or write that profile',
      ],
    ],
    [
      'of https_spiffe with what only https_web has, and nothing else',
      () => of(web, { profile: 'https_spiffe', caCertificate: 'x' }),
      [
        '.bundleEndpoint.endpointSpiffeId: is missing; write such as "spiffe://partner.example/spire/server"',
        '.bundleEndpoint.caCertificate: is for the profile https_web; an endpoint of https_spiffe is checked against bundle',
        '.bundleEndpoint.caCertificate: holds no PEM certificate; write one or more blocks that begin with -----BEGIN CERTIFICATE-----',
      ],
    ],
    [
      'of https_spiffe without a first bundle',
      () => of(spiffe, { bundle: undefined }),
      [
        '.bundleEndpoint.bundle: is missing; write a bundle of "partner.example", so that the first connection can be checked',
      ],
    ],
    [
      'of https_spiffe with a bundle that trusts nobody, and no identity',
      () => of(spiffe, { bundle: '{"keys":[]}', endpointSpiffeId: 'spiffe://partner.example/../a' }),
      [
        '.bundleEndpoint.endpointSpiffeId: "spiffe://partner.example/../a" is not a valid SPIFFE ID; write such as "spiffe://partner.example/spire/server"',
        '.bundleEndpoint.bundle: has no key for X.509 (use "x509-svid" with x5c), so no workload of it could be trusted',
      ],
    ],
    [
      'of https_spiffe with a broken bundle',
      () => of(spiffe, { bundle: '{"keys":' }),
      ['.bundleEndpoint.bundle: is not JSON'],
    ],
  ])('is refused %s', (_what, faults, expected) => {
    expect(faults()).toEqual(expected);
  });

  test('is refused with a password in the address, which is not repeated', () => {
    for (const url of ['https://me:hunter2@partner.example/', 'x://me:hunter2@partner example/']) {
      const faults = of(web, { url });
      expect(faults).toHaveLength(1);
      expect(faults.join()).not.toContain('hunter2');
    }
  });

  test('never makes the check fail, whatever it is', () => {
    const entry = fc.record(
      {
        bundle: fc.string(),
        bundleEndpoint: fc.record({
          url: fc.oneof(fc.webUrl(), fc.string()),
          profile: fc.constantFrom('https_web' as const, 'https_spiffe' as const),
          bundle: fc.oneof(fc.json(), fc.string()),
          caCertificate: fc.string(),
          endpointSpiffeId: fc.string(),
        }),
      },
      { requiredKeys: [] },
    );
    fc.assert(fc.property(entry, (value) => void told(value)));
  });
});
