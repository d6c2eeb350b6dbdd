import type { MeshConfig } from '#core/model/mesh-config.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { endpointAuthorities, foreignDomains } from './foreign.ts';

let own: TestPki;
let partner: TestPki;
let rival: TestPki;
beforeAll(async () => {
  own = await TestPki.create();
  partner = await TestPki.create({ trustDomain: 'partner.example' });
  rival = await TestPki.create({ trustDomain: 'rival.example' });
});

function federated(endpointOf: TestPki, written?: string): MeshConfig {
  const bundleEndpoint = {
    url: 'https://bundle.test/',
    profile: 'https_spiffe',
    endpointSpiffeId: `spiffe://${endpointOf.trustDomain}/spire/server`,
    ...(written === undefined ? {} : { bundle: written }),
  } as const;
  return {
    metadata: { name: 'mesh' },
    spec: {
      federation: [
        { trustDomain: partner.trustDomain, bundleEndpoint },
        { trustDomain: rival.trustDomain, bundle: rival.rootPem },
      ],
    },
    status: { roots: [{ id: 'own', pem: own.rootPem, active: true, notAfter: '2036-01-01T00:00:00Z' }] },
  };
}

test.each<[string, () => MeshConfig, () => TestPki]>([
  ['of its own trust domain', () => federated(partner, partner.rootPem), () => partner],
  ['of another federated trust domain', () => federated(rival), () => rival],
  ['of the trust domain of this mesh', () => federated(own), () => own],
])(
  'an endpoint with an identity %s is verified by the roots of that one and no other',
  (_which, config, home) => {
    const [foreign] = foreignDomains(config(), own);
    expect(endpointAuthorities(config(), foreign!, undefined).map(String)).toEqual(
      home().bundle.rootsOfAllDomains.map(String),
    );
  },
);
