import { X509Certificate, webcrypto } from 'node:crypto';

import { jest } from '@jest/globals';
import { Crypto } from '@peculiar/webcrypto';

import { CA_KEY_TYPES } from '#core/model/ca-settings.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId, trustDomain } from '#core/spiffe-id.ts';

import { caKeyType, generateAuthorityKeys, generateKeys, privateKeyPem, spkiDer } from './keys.ts';
import { OpenSsl } from './testing/openssl.fake.ts';
import {
  ROOT_LIFE_MS,
  issueCrossSigned,
  issueLeaf,
  issueRoot,
  issueServing,
  leafCommonName,
  readSigner,
} from './profile.ts';
import type { Signer } from './profile.ts';

// Some cases start programs, on machines that may be busy.
jest.setTimeout(60_000);

const DOMAIN = trustDomain('cluster.local');
const WHO = { namespace: namespaceName('shop'), service: serviceName('web') };
const SPIFFE_ID = serviceSpiffeId({ trustDomain: DOMAIN, datacenter: 'dc1' }, WHO);
const DAY = 24 * 3600 * 1000;

async function authority(crypto?: webcrypto.Crypto): Promise<{ rootPem: string; signer: Signer }> {
  const keys = await generateKeys();
  const rootPem = await issueRoot(keys, DOMAIN, Date.now());
  return { rootPem, signer: await readSigner(rootPem, privateKeyPem(keys.privateKey), crypto) };
}

async function leafOf(signer: Signer, options: { now?: number; ttlMs?: number } = {}): Promise<string> {
  const { publicKey } = await generateKeys();
  const now = options.now ?? Date.now();
  return issueLeaf(signer, {
    now,
    ttlMs: options.ttlMs ?? DAY,
    spki: spkiDer(publicKey),
    spiffeId: SPIFFE_ID,
    who: WHO,
    trustDomain: DOMAIN,
  });
}

describe.each([
  ["Node's own", webcrypto],
  ['@peculiar/webcrypto', new Crypto() as unknown as webcrypto.Crypto],
])('certificates signed with %s', (_name, crypto) => {
  const openssl = new OpenSsl();
  afterAll(() => openssl.remove());

  test('have the profile of the mesh, as openssl prints it', async () => {
    const { rootPem, signer } = await authority(crypto);
    openssl.file('root.pem', rootPem);
    openssl.file('leaf.pem', await leafOf(signer));
    const root = openssl.run('x509', '-in', 'root.pem', '-noout', '-text');
    const leaf = openssl.run('x509', '-in', 'leaf.pem', '-noout', '-text');

    expect(root).toContain('ecdsa-with-SHA256');
    expect(root).toMatch(/Subject: CN = mesh-[0-9a-f]{8}\.ca\.clusterl\.mesh/);
    expect(extension(root, 'Basic Constraints')).toBe('critical CA:TRUE');
    expect(extension(root, 'Key Usage')).toBe('critical Digital Signature, Certificate Sign, CRL Sign');
    expect(extension(root, 'Subject Alternative Name')).toBe('URI:spiffe://cluster.local');
    expect(root).not.toContain('Extended Key Usage');
    expect(extension(root, 'Authority Key Identifier')).toBe(extension(root, 'Subject Key Identifier'));

    expect(leaf).toContain('NIST CURVE: P-256');
    expect(leaf).toContain('Subject: CN = web.svc.shop.clusterl.mesh');
    expect(extension(leaf, 'Basic Constraints')).toBe('critical CA:FALSE');
    expect(extension(leaf, 'Key Usage')).toBe(
      'critical Digital Signature, Key Encipherment, Data Encipherment, Key Agreement',
    );
    expect(extension(leaf, 'Extended Key Usage')).toBe(
      'TLS Web Client Authentication, TLS Web Server Authentication',
    );
    expect(extension(leaf, 'Subject Alternative Name')).toBe(`URI:${SPIFFE_ID}`);
    expect(extension(leaf, 'Authority Key Identifier')).toBe(extension(root, 'Subject Key Identifier'));
    // SHA-256 of the public key: 32 bytes.
    expect(extension(leaf, 'Subject Key Identifier').split(':')).toHaveLength(32);
  });

  test('are verified by openssl, for both ends of TLS, against their own root only', async () => {
    const { rootPem, signer } = await authority(crypto);
    openssl.file('root.pem', rootPem);
    openssl.file('other.pem', (await authority()).rootPem);
    openssl.file('leaf.pem', await leafOf(signer));
    for (const purpose of ['sslclient', 'sslserver']) {
      const verify = ['verify', '-x509_strict', '-purpose', purpose];
      expect(openssl.try(...verify, '-CAfile', 'root.pem', 'leaf.pem')).toMatchObject({ ok: true });
      expect(openssl.try(...verify, '-CAfile', 'other.pem', 'leaf.pem')).toMatchObject({ ok: false });
    }
    openssl.file('as-ca.pem', await leafOf(signer));
    expect(openssl.try('verify', '-CAfile', 'leaf.pem', '-partial_chain', 'as-ca.pem')).toMatchObject({
      ok: false,
    });
  });
});

describe('a leaf', () => {
  test('begins a minute before now and ends after its life, in whole seconds', async () => {
    const now = Date.parse('2026-06-01T12:00:00.700Z');
    const { signer } = await authority();
    const leaf = new X509Certificate(await leafOf(signer, { now, ttlMs: 10_000 }));
    expect(Date.parse(leaf.validFrom)).toBe(Date.parse('2026-06-01T11:59:00Z'));
    expect(Date.parse(leaf.validTo)).toBe(Date.parse('2026-06-01T12:00:10Z'));
  });

  test('never outlives its signer, and an ended signer signs nothing', async () => {
    const { signer } = await authority();
    const nearEnd = signer.notAfter - 60_000;
    expect(Date.parse(new X509Certificate(await leafOf(signer, { now: nearEnd, ttlMs: DAY })).validTo)).toBe(
      signer.notAfter,
    );
    await expect(leafOf(signer, { now: signer.notAfter + 1 })).rejects.toThrow('the signer has ended');
  });

  test('has a serial number that nobody guesses and nothing repeats', async () => {
    const { signer } = await authority();
    const serials = await Promise.all(
      Array.from({ length: 16 }, async () => new X509Certificate(await leafOf(signer)).serialNumber),
    );
    expect(new Set(serials).size).toBe(16);
    for (const serial of serials) expect(serial).toMatch(/^[0-9A-F]{26,32}$/);
  });
});

describe('the common name of a leaf', () => {
  test.each([
    ['web', 'shop', 'web.svc.shop.clusterl.mesh'],
    ['w'.repeat(63), 'shop', `${'w'.repeat(41)}.svc.shop.clusterl.mesh`],
    ['web', 'n'.repeat(63), `web.svc.${'n'.repeat(42)}.clusterl.mesh`],
    ['w'.repeat(63), 'n'.repeat(63), `${'w'.repeat(22)}.svc.${'n'.repeat(23)}.clusterl.mesh`],
  ])('of %s in %s is %s', (service, namespace, expected) => {
    const name = leafCommonName(
      { service: serviceName(service), namespace: namespaceName(namespace) },
      DOMAIN,
    );
    expect(name).toBe(expected);
    expect(name.length).toBeLessThanOrEqual(64);
  });
});

describe('a serving certificate', () => {
  test('is for its host names as a server and for nothing else', async () => {
    const { rootPem, signer } = await authority();
    const openssl = new OpenSsl();
    const { publicKey } = await generateKeys();
    const dnsNames = ['mesh-operator', 'mesh-operator.mesh.svc'];
    openssl.file('root.pem', rootPem);
    openssl.file(
      'serving.pem',
      await issueServing(signer, { now: Date.now(), ttlMs: DAY, spki: spkiDer(publicKey), dnsNames }),
    );
    const verify = ['verify', '-x509_strict', '-CAfile', 'root.pem'];
    expect(
      openssl.try(
        ...verify,
        '-purpose',
        'sslserver',
        '-verify_hostname',
        'mesh-operator.mesh.svc',
        'serving.pem',
      ),
    ).toMatchObject({ ok: true });
    expect(openssl.try(...verify, '-verify_hostname', 'other.mesh.svc', 'serving.pem')).toMatchObject({
      ok: false,
    });
    expect(openssl.try(...verify, '-purpose', 'sslclient', 'serving.pem')).toMatchObject({ ok: false });
    openssl.remove();
  });
});

describe.each(CA_KEY_TYPES)('a root with a key of kind %s', (keyType) => {
  const openssl = new OpenSsl();
  afterAll(() => openssl.remove());

  test('signs leaves, and other roots, that openssl verifies', async () => {
    const keys = await generateAuthorityKeys(keyType);
    expect(caKeyType(keys.publicKey)).toBe(keyType);
    const rootPem = await issueRoot(keys, DOMAIN, Date.now());
    const signer = await readSigner(rootPem, privateKeyPem(keys.privateKey));
    expect(signer.keyType).toBe(keyType);
    const next = await authority();
    openssl.file('root.pem', rootPem);
    openssl.file('next.pem', next.rootPem);
    openssl.file('leaf.pem', await leafOf(signer));
    openssl.file('cross.pem', await issueCrossSigned(signer, next.rootPem, Date.now()));
    openssl.file('next-leaf.pem', await leafOf(next.signer));
    const verify = (...args: string[]): string => openssl.run('verify', '-x509_strict', ...args);
    expect(verify('-CAfile', 'root.pem', 'leaf.pem')).toContain('leaf.pem: OK');
    expect(verify('-CAfile', 'root.pem', '-untrusted', 'cross.pem', 'next-leaf.pem')).toContain('OK');
    expect(verify('-CAfile', 'next.pem', 'next-leaf.pem')).toContain('OK');
  });
});

describe('a cross-signed root', () => {
  test('has name, key, SPIFFE ID and key identifier of the new root, and the signature of the old one', async () => {
    const [old, next] = [await authority(), await authority()];
    const openssl = new OpenSsl();
    openssl.file('new.pem', next.rootPem);
    openssl.file('cross.pem', await issueCrossSigned(old.signer, next.rootPem, Date.now()));
    const [root, cross] = ['new.pem', 'cross.pem'].map((file) =>
      openssl.run('x509', '-in', file, '-noout', '-text'),
    ) as [string, string];
    openssl.remove();
    for (const name of [
      'Basic Constraints',
      'Key Usage',
      'Subject Key Identifier',
      'Subject Alternative Name',
    ]) {
      expect(extension(cross, name)).toBe(extension(root, name));
    }
    expect(line(cross, 'Subject: ')).toBe(line(root, 'Subject: '));
    expect(line(cross, 'Issuer: ')).toBe(`Issuer: ${old.signer.certificate.subject.replace('=', ' = ')}`);
  });

  test('ends with the old root or with the new one, whichever is first', async () => {
    const now = Date.now();
    const [old, next] = [await authority(), await authority()];
    const later = now + ROOT_LIFE_MS / 2;
    const young = await issueRoot(await generateKeys(), DOMAIN, later);
    const end = async (signer: Signer, root: string, at: number): Promise<number> =>
      Date.parse(new X509Certificate(await issueCrossSigned(signer, root, at)).validTo);
    expect(await end(old.signer, young, later)).toBe(old.signer.notAfter);
    const keys = await generateKeys();
    const youngSigner = await readSigner(
      await issueRoot(keys, DOMAIN, later),
      privateKeyPem(keys.privateKey),
    );
    expect(await end(youngSigner, next.rootPem, later)).toBe(next.signer.notAfter);
    await expect(issueCrossSigned(old.signer, young, old.signer.notAfter + 1)).rejects.toThrow(
      'the signer has ended',
    );
  });

  test('is refused where the new root is none, is the old one, or cannot be read', async () => {
    const { signer, rootPem } = await authority();
    const now = Date.now();
    await expect(issueCrossSigned(signer, rootPem, now)).rejects.toThrow('not cross-signed by itself');
    await expect(issueCrossSigned(signer, await leafOf(signer), now)).rejects.toThrow(
      'not signed by its own key',
    );
    const cross = await issueCrossSigned((await authority()).signer, rootPem, now);
    await expect(issueCrossSigned(signer, cross, now)).rejects.toThrow('not signed by its own key');
    await expect(issueCrossSigned(signer, 'rubbish', now)).rejects.toThrow('PEM');
    const openssl = new OpenSsl();
    openssl.run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'k.pem');
    openssl.run(
      ...['req', '-x509', '-new', '-key', 'k.pem', '-subj', '/CN=x', '-out', 'x.pem'],
      ...['-addext', 'basicConstraints=critical,CA:FALSE'],
    );
    await expect(issueCrossSigned(signer, openssl.read('x.pem').toString(), now)).rejects.toThrow(
      'is not a CA certificate',
    );
    openssl.remove();
  });
});

describe('a signer', () => {
  test('is refused when certificate and key do not belong together, or it is not a CA certificate', async () => {
    const { rootPem, signer } = await authority();
    const keys = await generateKeys();
    await expect(readSigner(rootPem, privateKeyPem(keys.privateKey))).rejects.toThrow(
      'does not belong to the key',
    );
    const leaf = await issueLeaf(signer, {
      now: Date.now(),
      ttlMs: DAY,
      spki: spkiDer(keys.publicKey),
      spiffeId: SPIFFE_ID,
      who: WHO,
      trustDomain: DOMAIN,
    });
    await expect(readSigner(leaf, privateKeyPem(keys.privateKey))).rejects.toThrow('is not a CA certificate');
  });
});

/** The value of an extension in openssl's text, on one line, "critical" in front where it is. */
function extension(text: string, name: string): string {
  const match = new RegExp(`X509v3 ${name}: ?(critical)?\\s*\\n\\s+(.*)\\n`).exec(text);
  return `${match?.[1] ? 'critical ' : ''}${(match?.[2] ?? '(missing)').trim()}`;
}

/** The first line of openssl's text that begins with `start`, trimmed. */
function line(text: string, start: string): string {
  const found = text
    .split('\n')
    .map((each) => each.trim())
    .find((each) => each.startsWith(start));
  if (found === undefined) throw new Error(`no ${start}`);
  return found;
}
