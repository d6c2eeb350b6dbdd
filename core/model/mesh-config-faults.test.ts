import fc from 'fast-check';

import { meshConfigFaults, meshConfigWarnings } from './mesh-config-faults.ts';

const told = (faults: readonly { field: string; message: string }[]) =>
  faults.map(({ field, message }) => `${field}: ${message}`);
const CERTIFICATE = `-----BEGIN CERTIFICATE-----\n${Buffer.from([0x30, 0x03, 1, 2, 3]).toString('base64')}\n-----END CERTIFICATE-----\n`;

describe('a MeshConfig', () => {
  const check = (spec: unknown, old?: unknown, name = 'mesh') =>
    told(
      meshConfigFaults(
        { metadata: { name }, spec },
        old === undefined ? undefined : { metadata: { name }, spec: old },
      ),
    );
  const foreign = { trustDomain: 'partner.example', bundle: CERTIFICATE };

  test.each([
    undefined,
    {},
    {
      trustDomain: 'a.example',
      datacenter: 'dc2',
      defaultAction: 'allow',
      leafTTL: '10s',
      ca: { provider: 'builtin' },
      federation: [foreign],
    },
    { leafTTL: '8760h' },
    { ca: { provider: 'step-ca', config: { address: 'https://ca.test', provisioner: 'mesh' } } },
    { federation: [{ ...foreign, bundle: CERTIFICATE + CERTIFICATE }] },
  ])('is accepted: %j', (spec) => {
    expect(check(spec)).toEqual([]);
  });

  test.each<[string, unknown, string[]]>([
    ['of the wrong type', [], ['spec: is a list; write an object']],
    [
      'with an unknown field',
      { leafTtl: '24h' },
      [
        'spec.leafTtl: is not a field of this version; remove it, or look for its right spelling with kubectl explain',
      ],
    ],
    [
      'with an upper case trust domain',
      { trustDomain: 'A' },
      ['spec.trustDomain: "A" has a character that is not allowed here'],
    ],
    [
      'with an unknown action',
      { defaultAction: 'maybe' },
      ['spec.defaultAction: "maybe" is not known; write "allow" or "deny"'],
    ],
    [
      'with a root that is not a valid duration',
      { ca: { rootTTL: 'long' } },
      ['spec.ca.rootTTL: "long" has a character that is not allowed here'],
    ],
    [
      'with a root of no time',
      { ca: { rootTTL: '0h' } },
      ['spec.ca.rootTTL: "0h" is not a valid duration; write such as "87600h"'],
    ],
    [
      'with a short root',
      { leafTTL: '10s', ca: { rootTTL: '1m' } },
      ['spec.ca.rootTTL: "1m" is out of bounds; write a duration from 2m to 175200h'],
    ],
    [
      'with a root that outlives too few leaves',
      { ca: { rootTTL: '48h' } },
      [
        'spec.ca.rootTTL: "48h" is less than four times spec.leafTTL "24h": leaves would end with their root; write a longer one, or a shorter leafTTL',
      ],
    ],
    [
      'with an unknown kind of key and an unknown way to rotate',
      { ca: { keyType: 'rsa', rotation: { request: '', mode: 'fast' } } },
      [
        'spec.ca.keyType: "rsa" is not known; write "ec-p256", "ec-p384", "rsa-2048" or "rsa-4096"',
        'spec.ca.rotation.request: is empty',
        'spec.ca.rotation.mode: "fast" is not known; write "graceful", "forced", "rehearse" or "abort"',
      ],
    ],
    [
      'with a short leaf',
      { leafTTL: '9s' },
      ['spec.leafTTL: "9s" is out of bounds; write a duration from 10s to 8760h'],
    ],
    [
      'with a long leaf',
      { leafTTL: '8761h' },
      ['spec.leafTTL: "8761h" is out of bounds; write a duration from 10s to 8760h'],
    ],
    [
      'with a leaf of nothing',
      { leafTTL: '' },
      ['spec.leafTTL: "" is not a valid duration; write such as "24h" or "90m"'],
    ],
    [
      'with a leaf in days',
      { leafTTL: '1d' },
      ['spec.leafTTL: "1d" has a character that is not allowed here'],
    ],
    [
      'with an unknown provider',
      { ca: { provider: 'aws-pca' } },
      ['spec.ca.provider: "aws-pca" is not known; write "builtin", "vault" or "step-ca"'],
    ],
    [
      'with a provider that cannot be reached, and with settings of the builtin one',
      {
        ca: {
          provider: 'vault',
          keyType: 'rsa-2048',
          config: { address: 'http://vault', intermediatepath: 'x' },
        },
      },
      [
        'spec.ca.config.intermediatePath: is missing, and "vault" needs it',
        'spec.ca.config.address: begins with "http:": keys are never signed over an unprotected connection; write https://',
        'spec.ca.config.intermediatepath: is not a setting of "vault"; did you mean "intermediatePath"?',
        'spec.ca.keyType: is about the builtin root; remove it, and look after the root where "vault" keeps it',
      ],
    ],
    [
      'federated with itself',
      { federation: [{ ...foreign, trustDomain: 'cluster.local' }] },
      [
        'spec.federation[0].trustDomain: "cluster.local" is this mesh\'s own trust domain; write the name of a foreign one',
      ],
    ],
    [
      'federated twice',
      { federation: [foreign, foreign] },
      [
        'spec.federation[1].trustDomain: "partner.example" is there already; put all its certificates into one bundle',
      ],
    ],
    [
      'with an empty bundle',
      { federation: [{ ...foreign, bundle: '' }] },
      [
        'spec.federation[0].bundle: holds no PEM certificate; write one or more blocks that begin with -----BEGIN CERTIFICATE-----',
      ],
    ],
    [
      'with text around a bundle',
      { federation: [{ ...foreign, bundle: `hello ${CERTIFICATE}` }] },
      ['spec.federation[0].bundle: holds text outside its PEM blocks; write only the certificates'],
    ],
    [
      'with a cut certificate',
      { federation: [{ ...foreign, bundle: CERTIFICATE.replace('MAMB', 'MAQB') }] },
      [
        'spec.federation[0].bundle: block 1 is not a certificate; write only blocks that begin with -----BEGIN CERTIFICATE-----, whole and unchanged',
      ],
    ],
    [
      'with a public key',
      { federation: [{ ...foreign, bundle: CERTIFICATE.replaceAll('CERTIFICATE', 'PUBLIC KEY') }] },
      [
        'spec.federation[0].bundle: block 1 is not a certificate; write only blocks that begin with -----BEGIN CERTIFICATE-----, whole and unchanged',
      ],
    ],
  ])('is refused %s', (_what, spec, messages) => {
    expect(check(spec)).toEqual(messages);
  });

  test('is refused with a private key, which is not repeated', () => {
    const [fault] = check({
      federation: [
        {
          ...foreign,
          bundle: `${CERTIFICATE}-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n`,
        },
      ],
    });
    expect(fault).toContain('holds a private key');
    expect(fault).not.toContain('c2VjcmV0');
  });

  test('is one, by its name', () => {
    expect(check({}, undefined, 'other')).toEqual([
      'metadata.name: "other": there is one MeshConfig, named "mesh"; change that one',
    ]);
  });

  test('keeps what identities are made of', () => {
    expect(check({ trustDomain: 'b' }, { trustDomain: 'a' })).toEqual([
      'spec.trustDomain: is part of every identity and cannot change from "a" to "b"; write "a"',
    ]);
    expect(check({}, { datacenter: 'dc7' })[0]).toContain('cannot change from "dc7" to "dc1"');
    expect(check({ trustDomain: 'cluster.local', datacenter: 'dc1', leafTTL: '2h' }, {})).toEqual([]);
  });

  test('warns of short leaves and open ports', () => {
    expect(meshConfigWarnings({})).toEqual([]);
    expect(meshConfigWarnings({ leafTTL: '59m' })[0]).toContain('is short');
    expect(meshConfigWarnings({ leafTTL: '1h' })).toEqual([]);
    expect(meshConfigWarnings({ defaultAction: 'allow' })[0]).toContain('open to every service');
    expect(meshConfigWarnings({ defaultAction: 'allow', federation: [foreign] })[1]).toContain(
      'every caller of "partner.example" is let in',
    );
    expect(meshConfigWarnings({ federation: [foreign] })).toEqual([]);
  });

  test('never makes the check fail, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (spec, other) => {
        check(spec, other);
      }),
      { numRuns: 1000 },
    );
  });
});
