import { X509Certificate } from 'node:crypto';

import { jest } from '@jest/globals';

import { TAG, children, der } from './der.ts';
import { OpenSsl } from './testing/openssl.fake.ts';
import { toPem } from './pem.ts';
import { peerSpiffeId } from './peer.ts';
import { leafFault, signingFault, weakSignature } from './svid-constraints.ts';
import { TestPki } from './testing/test-pki.fake.ts';
import { trustBundleOf } from './trust-bundle.ts';

// Every case starts programs, on machines that may be busy.
jest.setTimeout(60_000);

const WEB = { namespace: 'shop', service: 'web' };
const SAN = 'subjectAltName=URI:spiffe://cluster.local/ns/shop/dc/dc1/svc/web';
const LEAF = [SAN, 'basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature'];
const usage = (bits: string) => [SAN, 'basicConstraints=critical,CA:FALSE', `keyUsage=critical,${bits}`];
const curve = (name: string) => ['ec', '-pkeyopt', `ec_paramgen_curve:${name}`];
const rsa = (bits: number) => [`rsa:${bits}`];
const CA_USAGE = 'keyUsage=critical,keyCertSign,cRLSign';
const CA = ['basicConstraints=critical,CA:TRUE', CA_USAGE];
const UNKNOWN = '1.2.3.4=critical,DER:0500';

let openssl: OpenSsl;
beforeAll(() => {
  openssl = new OpenSsl();
});
afterAll(() => openssl.remove());

/** With what it is signed by, where that is not its own key. */
interface Making {
  readonly key?: readonly string[];
  readonly sign?: readonly string[];
  readonly issuerKey?: readonly string[];
}

const issuers = new Set<string>();

function made(extensions: readonly string[], { issuerKey, ...options }: Making = {}): X509Certificate {
  const issuer = `ca-${(issuerKey ?? []).join('').replace(/\W/g, '')}`;
  if (!issuers.has(issuer)) openssl.certificate(issuer, CA, issuerKey ? { key: issuerKey } : {});
  issuers.add(issuer);
  return new X509Certificate(openssl.certificate('made', extensions, { issuer, ...options }));
}

const PSS = ['-sigopt', 'rsa_padding_mode:pss'];

describe("a workload's certificate", () => {
  test.each<[string, readonly string[], Making, string]>([
    ['is a CA’s', [SAN, ...CA], {}, 'of a CA'],
    [
      'is a CA’s and has the key usage of a workload’s',
      [SAN, 'basicConstraints=critical,CA:TRUE', 'keyUsage=critical,digitalSignature'],
      {},
      'of a CA',
    ],
    ['is a CA’s and has no key usage', [SAN, 'basicConstraints=critical,CA:TRUE'], {}, 'of a CA'],
    ['may sign certificates', usage('digitalSignature,keyCertSign'), {}, 'may sign certificates'],
    ['may sign revocation lists', usage('digitalSignature,cRLSign'), {}, 'may sign certificates'],
    ['has no key usage', [SAN, 'basicConstraints=critical,CA:FALSE'], {}, 'lacks digitalSignature'],
    ['is for key agreement only', usage('keyAgreement,keyEncipherment'), {}, 'lacks digitalSignature'],
    ['has an RSA key of 1,024 bits', LEAF, { key: rsa(1024) }, 'its RSA key has 1024 bits'],
    ['has an RSA key of 2,040 bits', LEAF, { key: rsa(2040) }, 'its RSA key has 2040 bits'],
    ['has a key on secp256k1', LEAF, { key: curve('secp256k1') }, 'on a curve other than'],
    ['has a key on P-224', LEAF, { key: curve('P-224') }, 'on a curve other than'],
    ['has a key on brainpoolP256r1', LEAF, { key: curve('brainpoolP256r1') }, 'on a curve other than'],
    [
      'has a key on a curve that is spelled out',
      LEAF,
      { key: [...curve('P-256'), '-pkeyopt', 'ec_param_enc:explicit'] },
      'on a curve other than',
    ],
    ['is signed with SHA-1', LEAF, { sign: ['-sha1'] }, 'weaker than SHA-256'],
    ['is signed with SHA-1 and RSA', LEAF, { sign: ['-sha1'], issuerKey: rsa(2048) }, 'weaker than SHA-256'],
    ['is signed with MD5', LEAF, { sign: ['-md5'], issuerKey: rsa(2048) }, 'weaker than SHA-256'],
    ['is signed with SHA-224', LEAF, { sign: ['-sha224'] }, 'weaker than SHA-256'],
    [
      'is signed with RSASSA-PSS and SHA-1',
      LEAF,
      { sign: ['-sha1', ...PSS], issuerKey: rsa(2048) },
      'weaker than SHA-256',
    ],
    ['has a critical extension that is unknown', [...LEAF, UNKNOWN], {}, 'critical extension'],
    [
      'has a key usage that is not a valid bit string',
      [SAN, '2.5.29.15=critical,DER:0500'],
      {},
      'strict DER',
    ],
    ['has a key usage with a long length', [SAN, '2.5.29.15=critical,DER:0381020780'], {}, 'strict DER'],
    [
      'has basic constraints that are no sequence',
      [...usage('digitalSignature').slice(0, 1), '2.5.29.19=DER:0500', 'keyUsage=critical,digitalSignature'],
      {},
      'strict DER',
    ],
  ])('is refused when it %s', (_what, extensions, options, message) => {
    const certificate = made(extensions, options);
    expect(leafFault(certificate)).toContain(message);
    expect(peerSpiffeId(certificate)).toMatchObject({ ok: false, message: expect.stringContaining(message) });
  });

  test.each<[string, readonly string[], Making]>([
    ['as the standard has it', LEAF, {}],
    ['without basic constraints', [SAN, 'keyUsage=critical,digitalSignature'], {}],
    ['with a key usage that is not critical', [SAN, 'keyUsage=digitalSignature'], {}],
    ['with further usages of a key', usage('digitalSignature,keyEncipherment,keyAgreement'), {}],
    ['with names for people', [`${SAN},DNS:web.shop.svc`, ...LEAF.slice(1)], {}],
    ['with an extension that is unknown and not critical', [...LEAF, '1.2.3.4=DER:0500'], {}],
    ['of RSA 2048', LEAF, { key: rsa(2048) }],
    ['of P-384', LEAF, { key: curve('P-384') }],
    ['of P-521', LEAF, { key: curve('P-521') }],
    ['of Ed25519', LEAF, { key: ['ed25519'] }],
    ['signed with SHA-384', LEAF, { sign: ['-sha384'], issuerKey: curve('P-384') }],
    ['signed with RSA and SHA-512', LEAF, { sign: ['-sha512'], issuerKey: rsa(2048) }],
    ['signed with RSASSA-PSS and SHA-256', LEAF, { sign: ['-sha256', ...PSS], issuerKey: rsa(2048) }],
    ['signed with Ed25519', LEAF, { sign: [], issuerKey: ['ed25519'] }],
  ])('is accepted %s', (_what, extensions, options) => {
    expect(peerSpiffeId(made(extensions, options))).toMatchObject({ ok: true });
  });

  test('is refused when it has one extension twice', () => {
    // The second one is a CA's: readers that take the first and readers that take the last would disagree.
    const [tbs, ...signature] = children(TAG.sequence, made([...LEAF, '1.2.3.4=DER:30030101FF']).raw);
    const parts = children(TAG.sequence, tbs!);
    const unknown = Buffer.from('06032a0304', 'hex');
    const extensions = children(TAG.sequence, children(TAG.context3, parts.at(-1)!)[0]!).map((each) => {
      const [id, ...value] = children(TAG.sequence, each);
      return unknown.equals(id!) ? der(TAG.sequence, Buffer.from('0603551d13', 'hex'), ...value) : each;
    });
    const bent = der(
      TAG.sequence,
      ...parts.slice(0, -1),
      der(TAG.context3, der(TAG.sequence, ...extensions)),
    );
    const certificate = new X509Certificate(toPem('CERTIFICATE', der(TAG.sequence, bent, ...signature)));
    expect(leafFault(certificate)).toContain('one extension twice');
  });
});

describe('a CA certificate', () => {
  test.each<[string, readonly string[], Making, string]>([
    ['says that it is none', ['basicConstraints=critical,CA:FALSE', CA_USAGE], {}, 'CA:TRUE is missing'],
    ['does not say that it is one', [CA_USAGE], {}, 'CA:TRUE is missing'],
    ['has no key usage', ['basicConstraints=critical,CA:TRUE'], {}, 'lacks keyCertSign'],
    [
      'may not sign certificates',
      ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,digitalSignature,cRLSign'],
      {},
      'lacks keyCertSign',
    ],
    ['has an RSA key of 1,024 bits', CA, { key: rsa(1024) }, 'its RSA key has 1024 bits'],
    ['has a key on secp256k1', CA, { key: curve('secp256k1') }, 'on a curve other than'],
    ['is for signing programs', [...CA, 'extendedKeyUsage=codeSigning'], {}, 'for other purposes'],
    ['is for servers only', [...CA, 'extendedKeyUsage=serverAuth'], {}, 'for other purposes'],
    ['has a critical extension that is unknown', [...CA, UNKNOWN], {}, 'critical extension'],
    ['has name constraints that are none', [...CA, '2.5.29.30=critical,DER:0500'], {}, 'strict DER'],
  ])('is refused when it %s', (_what, extensions, options, message) => {
    const certificate = made(extensions, options);
    expect(signingFault(certificate)).toContain(message);
    const { bundle, faults } = trustBundleOf({
      metadata: { name: 'mesh' },
      spec: { federation: [{ trustDomain: 'partner.example', bundle: certificate.toString() }] },
    });
    expect(bundle.rootsOfAllDomains).toEqual([]);
    expect(faults).toEqual([
      expect.stringMatching(/^federation: partner.example: certificate 1 cannot be a root: /),
    ]);
  });

  test.each<[string, readonly string[], Making]>([
    ['as the standard has it', CA, {}],
    ['with a path length', ['basicConstraints=critical,CA:TRUE,pathlen:0', CA_USAGE], {}],
    ['for both ends of TLS', [...CA, 'extendedKeyUsage=serverAuth,clientAuth'], {}],
    ['for any purpose', [...CA, 'extendedKeyUsage=anyExtendedKeyUsage'], {}],
    ['with name constraints', [...CA, 'nameConstraints=critical,permitted;URI:cluster.local'], {}],
    ['of RSA 2048', CA, { key: rsa(2048) }],
  ])('is accepted %s', (_what, extensions, options) => {
    expect(signingFault(made(extensions, options))).toBeUndefined();
  });

  test('that signed itself with SHA-1 is a root all the same: nothing rests on that signature', () => {
    const root = new X509Certificate(openssl.certificate('root', CA, { sign: ['-sha1'], key: rsa(2048) }));
    expect(signingFault(root)).toBeUndefined();
    expect(weakSignature(root)).toContain('weaker than SHA-256');
  });
});

test('what the mesh itself makes is accepted', async () => {
  const pki = await TestPki.create();
  const deep = await pki.withIntermediate();
  const [leaf, intermediate] = (await deep.leaf(WEB)).certChainPem.match(
    /-----BEGIN[^]*?END CERTIFICATE-----\n/g,
  )!;
  expect(signingFault(new X509Certificate(pki.rootPem))).toBeUndefined();
  expect(signingFault(new X509Certificate(intermediate!))).toBeUndefined();
  expect(leafFault(new X509Certificate(leaf))).toBeUndefined();
});
