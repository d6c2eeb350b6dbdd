import { X509Certificate } from 'node:crypto';

import { jest } from '@jest/globals';

import { trustDomain } from '#core/spiffe-id.ts';

import { pathFault } from './certificate-path.ts';
import { OpenSsl } from './testing/openssl.fake.ts';

// Every case starts programs, on machines that may be busy.
jest.setTimeout(60_000);

const DOMAIN = trustDomain('cluster.local');
const USAGE = 'keyUsage=critical,keyCertSign,cRLSign';
const KEY_IDS = ['subjectKeyIdentifier=hash', 'authorityKeyIdentifier=keyid'];
const CA = ['basicConstraints=critical,CA:TRUE', USAGE, ...KEY_IDS];
const LEAF = [
  'subjectAltName=URI:spiffe://cluster.local/ns/shop/dc/dc1/svc/web',
  'keyUsage=critical,digitalSignature',
  ...KEY_IDS,
];
const limited = (length: number) => [
  `basicConstraints=critical,CA:TRUE,pathlen:${length}`,
  USAGE,
  ...KEY_IDS,
];
const named = (constraint: string) => [...CA, `nameConstraints=critical,${constraint}`];

let openssl: OpenSsl;
beforeEach(() => {
  openssl = new OpenSsl();
});
afterEach(() => openssl.remove());

interface Link {
  readonly extensions: readonly string[];
  readonly subject?: string;
  readonly sign?: readonly string[];
  readonly key?: readonly string[];
}

/** From the root to the leaf's issuer. @returns what leads from a leaf under the last one to the first */
function chain(...links: readonly Link[]): string | undefined {
  const made = links.map(({ extensions, ...options }, index) => {
    const issuer = index === 0 ? {} : { issuer: `ca${index - 1}` };
    return new X509Certificate(openssl.certificate(`ca${index}`, extensions, { ...options, ...issuer }));
  });
  const leaf = new X509Certificate(openssl.certificate('leaf', LEAF, { issuer: `ca${links.length - 1}` }));
  const [root, ...intermediates] = made;
  return pathFault(leaf, { domain: DOMAIN, roots: [root!], intermediates, now: Date.now() });
}

test.each<[string, readonly Link[]]>([
  ['of a root alone', [{ extensions: CA }]],
  ['over an intermediate', [{ extensions: CA }, { extensions: CA }]],
  ['as long as its root allows', [{ extensions: limited(1) }, { extensions: CA }]],
  ['over an intermediate that allows no other', [{ extensions: CA }, { extensions: limited(0) }]],
  [
    'over a self-issued certificate, which path lengths do not count',
    [
      { extensions: limited(1), subject: 'same' },
      { extensions: CA, subject: 'same' },
      { extensions: limited(0) },
    ],
  ],
  ['of a root that is permitted this trust domain', [{ extensions: named('permitted;URI:cluster.local') }]],
  ['of a root that is permitted what is above it', [{ extensions: named('permitted;URI:.local') }]],
  [
    'of a root with constraints on other kinds of names',
    [{ extensions: named('permitted;DNS:shop.example') }],
  ],
  ['of a root that is excluded from another', [{ extensions: named('excluded;URI:partner.example') }]],
])('a path %s is accepted', (_what, links) => {
  expect(chain(...links)).toBeUndefined();
});

test.each<[string, readonly Link[], string]>([
  [
    'is longer than its root allows',
    [{ extensions: limited(0) }, { extensions: CA }],
    'it has 1 CA certificates below it, and allows 0',
  ],
  [
    'is longer than an intermediate allows',
    [{ extensions: CA }, { extensions: limited(0) }, { extensions: CA }],
    'it has 1 CA certificates below it, and allows 0',
  ],
  [
    'is of a root that is permitted another trust domain',
    [{ extensions: named('permitted;URI:partner.example') }],
    'name constraints',
  ],
  [
    'is of a root that is permitted subdomains only',
    [{ extensions: named('permitted;URI:.cluster.local') }],
    'name constraints',
  ],
  [
    'is of a root that is excluded from this trust domain',
    [{ extensions: named('excluded;URI:cluster.local') }],
    'name constraints',
  ],
  [
    'goes over an intermediate that is permitted another trust domain',
    [{ extensions: CA }, { extensions: named('permitted;URI:partner.example') }],
    'name constraints',
  ],
  [
    'goes over a certificate that is not a CA’s',
    [{ extensions: CA }, { extensions: ['keyUsage=critical,keyCertSign', ...KEY_IDS] }],
    'CA:TRUE is missing',
  ],
  [
    'goes over a CA without a key usage',
    [{ extensions: CA }, { extensions: ['basicConstraints=critical,CA:TRUE', ...KEY_IDS] }],
    'lacks keyCertSign',
  ],
  [
    'goes over a CA that may not sign certificates',
    [
      { extensions: CA },
      { extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,cRLSign', ...KEY_IDS] },
    ],
    'lacks keyCertSign',
  ],
  [
    'goes over a CA for signing programs',
    [{ extensions: CA }, { extensions: [...CA, 'extendedKeyUsage=codeSigning'] }],
    'for other purposes',
  ],
  [
    'goes over an intermediate with a weak key',
    [{ extensions: CA }, { extensions: CA, key: ['rsa:1024'] }],
    '1024 bits',
  ],
  [
    'goes over an intermediate that is signed with SHA-1',
    [{ extensions: CA }, { extensions: CA, sign: ['-sha1'] }],
    'weaker than SHA-256',
  ],
])('a path that %s is refused', (_what, links, message) => {
  expect(chain(...links)).toContain(message);
});

test('a path with intermediates that could all have signed one another costs no more signatures the more there are', () => {
  openssl.certificate('root', CA);
  openssl.certificate('key', CA, { subject: 'same' });
  openssl.certificate('leaf', LEAF, { issuer: 'key' });
  const leaf = new X509Certificate(openssl.read('leaf.pem'));
  const self = new X509Certificate(openssl.read('key.pem'));
  const root = new X509Certificate(openssl.read('root.pem'));
  expect(self.checkIssued(self)).toBe(true);
  // The same certificate as different objects: each could be the issuer of each.
  const cost = (count: number): number => {
    const verify = jest.spyOn(X509Certificate.prototype, 'verify');
    const intermediates = Array.from({ length: count }, () => new X509Certificate(self.raw));
    expect(pathFault(leaf, { domain: DOMAIN, roots: [root], intermediates, now: Date.now() })).toContain(
      'no valid path',
    );
    const calls = verify.mock.calls.length;
    verify.mockRestore();
    return calls;
  };
  expect(cost(3)).toBeGreaterThan(3);
  expect(cost(20)).toBeLessThanOrEqual(32);
});
