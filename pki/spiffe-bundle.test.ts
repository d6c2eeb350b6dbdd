import fc from 'fast-check';

import { MAX_BUNDLE_LENGTH, MAX_BUNDLE_ROOTS, readBundleDocument } from '#core/spiffe-bundle.ts';

import { readCertificates } from './pem.ts';
import { readSpiffeBundle, readWrittenBundle, writeSpiffeBundle } from './spiffe-bundle.ts';
import { TestPki } from './testing/test-pki.fake.ts';

let pki: TestPki;
let next: TestPki;
beforeAll(async () => {
  pki = await TestPki.create({ trustDomain: 'partner.example' });
  next = await pki.foreign();
});

const roots = (...of: TestPki[]) => of.flatMap(({ rootPem }) => readCertificates(rootPem));
const text = (bundle: object) => JSON.stringify(bundle);
/** A bundle whose one entry is bent. */
const bent = (bends: object) => {
  const bundle = JSON.parse(writeSpiffeBundle(roots(pki), { sequence: 1, refreshHint: 60 })) as {
    keys: object[];
  };
  return text({ ...bundle, keys: bundle.keys.map((key) => ({ ...key, ...bends })) });
};

describe('a SPIFFE bundle', () => {
  test('is read as it was written', () => {
    const written = writeSpiffeBundle(roots(pki, next), { sequence: 7, refreshHint: 300 });
    const read = readSpiffeBundle(written);
    expect(read).toMatchObject({ sequence: 7, refreshHint: 300 });
    expect(read.roots.map(({ raw }) => raw)).toEqual(roots(pki, next).map(({ raw }) => raw));
  });

  test('is written with one certificate and the public key for each root, and no key id (X509-SVID 6.1)', () => {
    const written: unknown = JSON.parse(writeSpiffeBundle(roots(pki), { sequence: 1, refreshHint: 60 }));
    expect(written).toEqual({
      keys: [
        {
          kty: 'EC',
          crv: 'P-256',
          x: expect.any(String),
          y: expect.any(String),
          use: 'x509-svid',
          x5c: [roots(pki)[0]!.raw.toString('base64')],
        },
      ],
      spiffe_sequence: 1,
      spiffe_refresh_hint: 60,
    });
  });

  test.each([
    ['without keys: all were taken back', () => text({ keys: [] })],
    ['for tokens only', () => bent({ use: 'jwt-svid', kid: 'a' })],
    ['for a purpose of tomorrow', () => bent({ use: 'wit-svid' })],
    ['without a purpose', () => bent({ use: undefined })],
    ['with a kind of key of tomorrow', () => bent({ kty: 'AKP' })],
    ['without a certificate', () => bent({ x5c: [] })],
  ])('%s has no roots', (_what, make) => {
    expect(readSpiffeBundle(make()).roots).toEqual([]);
  });

  test('of a certificate with others behind it is read to the first (X509-SVID 6.2)', () => {
    const [first, second] = roots(pki, next).map(({ raw }) => raw.toString('base64'));
    expect(readSpiffeBundle(bent({ x5c: [first, second] })).roots.map(({ raw }) => raw)).toEqual([
      roots(pki)[0]!.raw,
    ]);
  });

  test.each([
    ['no JSON', () => '<html>', 'the bundle is not JSON'],
    ['a list', () => '[]', 'the bundle is not a JSON object'],
    [
      'without a list of keys',
      () => '{"keys": {}}',
      'the bundle has no list "keys", so it is not a SPIFFE bundle',
    ],
    [
      'with a key that is none',
      () => text({ keys: [1] }),
      'the bundle has a key number 1 that is not an object',
    ],
    ['with many keys', () => text({ keys: Array(257).fill({}) }), 'the bundle has 257 keys; at most 256'],
    [
      'too long',
      () => ' '.repeat(MAX_BUNDLE_LENGTH + 1),
      `the bundle is longer than ${MAX_BUNDLE_LENGTH} characters`,
    ],
    [
      'with half a number',
      () => text({ keys: [], spiffe_sequence: 1.5 }),
      'the bundle has a spiffe_sequence that is not a whole number',
    ],
    [
      'with a number in quotes',
      () => text({ keys: [], spiffe_sequence: '1' }),
      'the bundle has a spiffe_sequence that is not a whole number',
    ],
    [
      'with a time before now',
      () => text({ keys: [], spiffe_refresh_hint: -1 }),
      'the bundle has a spiffe_refresh_hint that is not a whole number',
    ],
    [
      'with a certificate in words',
      () => bent({ x5c: ['not base64!'] }),
      'the bundle has a key number 1 that has an x5c that cannot be read',
    ],
    [
      'with a certificate outside a list',
      () => bent({ x5c: 'AAAA' }),
      'the bundle has a key number 1 that has an x5c that cannot be read',
    ],
    [
      'with nonsense for a certificate',
      () => bent({ x5c: ['AAAA'] }),
      'certificate 1 of the bundle cannot be read',
    ],
  ])('is refused: %s', (_what, make, message) => {
    expect(() => readSpiffeBundle(make())).toThrow(message);
  });

  test('is refused with bytes after a certificate, with a workload in it, with too many roots', async () => {
    const [root] = roots(pki);
    const longer = Buffer.concat([root!.raw, Buffer.from([0])]).toString('base64');
    expect(() => readSpiffeBundle(bent({ x5c: [longer] }))).toThrow('has bytes after its end');
    const [leaf] = readCertificates((await pki.svid({ namespace: 'a', service: 'b' })).certChainPem);
    expect(() => readSpiffeBundle(bent({ x5c: [leaf!.raw.toString('base64')] }))).toThrow(
      'cannot be a root: it is not a CA certificate',
    );
    const many = Array<typeof root>(MAX_BUNDLE_ROOTS + 1)
      .fill(root)
      .map((one) => one!);
    expect(() => readSpiffeBundle(writeSpiffeBundle(many, { sequence: 1, refreshHint: 1 }))).toThrow(
      'at most 16 certificates',
    );
  });

  test('is refused with a private key, which is not repeated', () => {
    const told = readBundleDocument(bent({ d: 'c2VjcmV0' }));
    expect(told).toEqual({ ok: false, message: expect.stringContaining('private key') });
    expect(JSON.stringify(told)).not.toContain('c2VjcmV0');
  });

  test('that a person wrote down may be PEM', () => {
    const json = writeSpiffeBundle(roots(pki), { sequence: 1, refreshHint: 60 });
    expect(readWrittenBundle(`\n${json}`)[0]!.raw).toEqual(readWrittenBundle(pki.rootPem)[0]!.raw);
  });

  test('of any shape is read or refused with a sentence, and nothing else happens', () => {
    const key = fc.record(
      {
        kty: fc.constantFrom('EC', 'RSA', 'x'),
        use: fc.constantFrom('x509-svid', 'jwt-svid'),
        x5c: fc.anything(),
      },
      { requiredKeys: [] },
    );
    const bundle = fc.oneof(
      fc.anything(),
      fc.record({ keys: fc.array(key), spiffe_sequence: fc.anything() }),
    );
    fc.assert(
      fc.property(bundle, (value) => {
        try {
          readSpiffeBundle(JSON.stringify(value) ?? '');
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
