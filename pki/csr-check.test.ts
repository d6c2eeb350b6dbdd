import { jest } from '@jest/globals';

import { checkCsr } from './csr-check.ts';
import { createCsr } from './csr.ts';
import { TAG, children, der } from './der.ts';
import { generateKeys, spkiDer } from './keys.ts';
import { OpenSsl } from './testing/openssl.fake.ts';
import { pemBlock, toPem } from './pem.ts';

const WEB = 'spiffe://cluster.local/ns/shop/dc/dc1/svc/web';
// Every case starts programs, on machines that may be busy.
jest.setTimeout(60_000);

const EC = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const NO_SUBJECT = ['-subj', '/'];
const san = (names: string) => [...NO_SUBJECT, '-addext', `subjectAltName=${names}`];

describe('a certificate request of our own', () => {
  test('is verified by openssl, which sees the one name and nothing else', async () => {
    const openssl = new OpenSsl();
    openssl.file('own.csr', createCsr(await generateKeys(), WEB));
    const text = openssl.run('req', '-in', 'own.csr', '-noout', '-text', '-verify');
    expect(text).toContain(`URI:${WEB}`);
    expect(text).toMatch(/Subject:\s*\n/);
    expect(text).toContain('NIST CURVE: P-256');
    openssl.remove();
  });

  test('is read back: key and requested name', async () => {
    const keys = await generateKeys();
    const csrPem = createCsr(keys, WEB);
    expect(await checkCsr(csrPem)).toEqual({
      ok: true,
      csr: {
        csrPem,
        spki: spkiDer(keys.publicKey),
        keyKind: 'P-256',
        requestedUri: WEB,
        commonName: undefined,
      },
    });
    expect(await checkCsr(createCsr(keys))).toMatchObject({ ok: true, csr: { requestedUri: undefined } });
  });
});

describe('a certificate request of others', () => {
  let openssl: OpenSsl;
  beforeEach(() => {
    openssl = new OpenSsl();
  });
  afterEach(() => openssl.remove());

  test.each([
    ['P-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['Ed25519', ['-algorithm', 'ED25519']],
  ])('may have a key of the kind %s', async (keyKind, genpkey) => {
    expect(await checkCsr(openssl.request(san(`URI:${WEB}`), genpkey))).toMatchObject({
      ok: true,
      csr: { keyKind, requestedUri: WEB },
    });
  });

  test('may say its common name', async () => {
    expect(await checkCsr(openssl.request(['-subj', '/CN=web']))).toMatchObject({
      ok: true,
      csr: { commonName: 'web' },
    });
  });

  test.each<[string, string, string[], string[]]>([
    ['a weak RSA key', 'csr-key', NO_SUBJECT, ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024']],
    ['a strong RSA key', 'csr-key', NO_SUBJECT, ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
    [
      'a curve that is not ours',
      'csr-key',
      NO_SUBJECT,
      ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
    ],
    [
      'a curve spelled out instead of named',
      'csr-key',
      NO_SUBJECT,
      ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit'],
    ],
    ['a CA flag', 'csr-ca', [...NO_SUBJECT, '-addext', 'basicConstraints=critical,CA:TRUE'], EC],
    [
      'a CA flag behind its own name',
      'csr-ca',
      [...san(`URI:${WEB}`), '-addext', 'basicConstraints=CA:TRUE'],
      EC,
    ],
    ['leave to sign certificates', 'csr-extension', [...NO_SUBJECT, '-addext', 'keyUsage=keyCertSign'], EC],
    [
      'an extended key usage',
      'csr-extension',
      [...NO_SUBJECT, '-addext', 'extendedKeyUsage=codeSigning'],
      EC,
    ],
    ['two URI names', 'csr-name', san(`URI:${WEB},URI:spiffe://cluster.local/ns/shop/dc/dc1/svc/db`), EC],
    ['a DNS name besides its own', 'csr-name', san(`URI:${WEB},DNS:db.shop.svc`), EC],
    ['a DNS name', 'csr-name', san('DNS:mesh-operator.mesh.svc'), EC],
    ['an IP address', 'csr-name', san('IP:10.0.0.1'), EC],
    ['an e-mail address', 'csr-name', san('email:a@b.example'), EC],
    ['a subject with an organisation', 'csr-name', ['-subj', '/O=system:masters/CN=web'], EC],
    ['a subject with two names', 'csr-name', ['-subj', '/CN=web/CN=db'], EC],
    ['a signature with SHA-1', 'csr-signature', [...NO_SUBJECT, '-sha1'], EC],
  ])('is refused when it has %s', async (_what, reason, options, genpkey) => {
    expect(await checkCsr(openssl.request(options, genpkey))).toMatchObject({ ok: false, reason });
  });

  test('is refused when it has another attribute', async () => {
    openssl.run('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'k.pem');
    openssl.file(
      'c.cnf',
      '[req]\ndistinguished_name=dn\nattributes=at\nprompt=no\n[dn]\nCN=web\n[at]\nchallengePassword=secret\n',
    );
    openssl.run('req', '-new', '-config', 'c.cnf', '-key', 'k.pem', '-out', 'c.csr');
    expect(await checkCsr(openssl.read('c.csr').toString())).toMatchObject({
      ok: false,
      reason: 'csr-attribute',
    });
  });

  test('is refused with bytes after its end', async () => {
    const request = pemBlock('CERTIFICATE REQUEST', openssl.request(san(`URI:${WEB}`)));
    const longer = toPem('CERTIFICATE REQUEST', Buffer.concat([request, Buffer.from([0x05, 0x00])]));
    expect(await checkCsr(longer)).toMatchObject({ ok: false, reason: 'csr-trailing-bytes' });
  });

  test('is refused with a part too many inside', async () => {
    const parts = children(
      TAG.sequence,
      pemBlock('CERTIFICATE REQUEST', createCsr(await generateKeys(), WEB)),
    );
    const longer = der(TAG.sequence, ...parts, der(TAG.sequence));
    expect(await checkCsr(toPem('CERTIFICATE REQUEST', longer))).toMatchObject({ ok: false });
  });

  test('is refused when the sender does not hold the key', async () => {
    const own = pemBlock('CERTIFICATE REQUEST', createCsr(await generateKeys(), WEB));
    const forged = Buffer.from(own);
    const name = forged.indexOf('/svc/web');
    forged.write('/svc/dbx', name);
    expect(await checkCsr(toPem('CERTIFICATE REQUEST', forged))).toMatchObject({
      ok: false,
      reason: 'csr-signature',
    });
  });

  test.each([
    ['nothing', ''],
    ['no PEM', 'hello'],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['rubbish inside', '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n'],
    ['base64 that is none', '-----BEGIN CERTIFICATE REQUEST-----\nA\n-----END CERTIFICATE REQUEST-----\n'],
  ])('is refused when it is %s', async (_what, pem) => {
    expect(await checkCsr(pem)).toMatchObject({ ok: false, reason: 'csr-unreadable' });
  });

  test('is refused when there are two, or text around it', async () => {
    const one = createCsr(await generateKeys());
    expect(await checkCsr(one + one)).toMatchObject({ ok: false, reason: 'csr-unreadable' });
    expect(await checkCsr(`x${one}`)).toMatchObject({ ok: false, reason: 'csr-unreadable' });
  });

  test('never makes the reader throw, whatever byte is changed, and never passes changed', async () => {
    const request = pemBlock('CERTIFICATE REQUEST', createCsr(await generateKeys(), WEB));
    for (let index = 0; index < request.length; index += 3) {
      const changed = Buffer.from(request);
      changed[index] = (changed[index] ?? 0) ^ 0x41;
      expect(await checkCsr(toPem('CERTIFICATE REQUEST', changed))).toMatchObject({ ok: false });
    }
  });

  test('is refused quickly when it is nested deeply', async () => {
    const nested = Buffer.alloc(12_000, 0x30);
    expect(await checkCsr(toPem('CERTIFICATE REQUEST', nested))).toMatchObject({ ok: false });
  });
});
