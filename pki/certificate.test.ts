import 'reflect-metadata';

import { X509Certificate, webcrypto } from 'node:crypto';

import * as x509 from '@peculiar/x509';

import { trustDomain } from '#core/spiffe-id.ts';

import { writeCertificate } from './certificate.ts';
import { TAG, children } from './der.ts';
import { generateAuthorityKeys, generateKeys, privateKeyPem, spkiDer } from './keys.ts';
import { OpenSsl } from './testing/openssl.fake.ts';
import { toPem } from './pem.ts';
import { issueRoot, issueServing, readSigner } from './profile.ts';
import type { Signer } from './profile.ts';

async function signerOf(type: 'ec-p256' | 'ec-p384' | 'rsa-2048'): Promise<Signer> {
  const keys = await generateAuthorityKeys(type);
  const rootPem = await issueRoot(keys, trustDomain('cluster.local'), Date.now());
  return readSigner(rootPem, privateKeyPem(keys.privateKey));
}

test.each(['ec-p256', 'ec-p384', 'rsa-2048'] as const)(
  'what is signed by %s has the very bytes that the library writes',
  async (type) => {
    const signer = await signerOf(type);
    const pem = await issueServing(signer, {
      now: Date.now(),
      ttlMs: 3_600_000,
      spki: spkiDer((await generateKeys()).publicKey),
      dnsNames: ['mesh-operator', 'mesh-operator.mesh.svc'],
    });
    const ours = new x509.X509Certificate(pem);
    const theirs = await x509.X509CertificateGenerator.create(
      {
        serialNumber: ours.serialNumber,
        subject: ours.subjectName,
        issuer: signer.certificate.subjectName,
        notBefore: ours.notBefore,
        notAfter: ours.notAfter,
        publicKey: ours.publicKey,
        signingKey: signer.key,
        signingAlgorithm: ours.signatureAlgorithm,
        extensions: [...ours.extensions],
      },
      webcrypto,
    );
    const [contents, algorithm] = children(TAG.sequence, Buffer.from(ours.rawData));
    const [expected, expectedAlgorithm] = children(TAG.sequence, Buffer.from(theirs.rawData));
    expect(Buffer.from(contents!).toString('hex')).toBe(Buffer.from(expected!).toString('hex'));
    expect(Buffer.from(algorithm!).equals(Buffer.from(expectedAlgorithm!))).toBe(true);
  },
);

test('the issuer’s name is the very bytes of its certificate, whatever kinds of text are in it', async () => {
  const openssl = new OpenSsl();
  try {
    const subject = '/C=DE/O=Ex\u00e4mple/CN=Offline Root';
    openssl.run(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '9'],
      ...['-utf8', '-subj', subject, '-addext', 'keyUsage=critical,keyCertSign'],
      ...['-keyout', 'root.key', '-out', 'root.pem'],
    );
    const signer = await readSigner(openssl.read('root.pem').toString(), openssl.read('root.key').toString());
    const spki = spkiDer((await generateKeys()).publicKey);
    const life = { now: Date.now(), ttlMs: 3_600_000 };
    openssl.file('leaf.pem', await issueServing(signer, { ...life, spki, dnsNames: ['mesh-operator'] }));
    expect(openssl.try('verify', '-x509_strict', '-CAfile', 'root.pem', 'leaf.pem')).toMatchObject({
      ok: true,
    });
  } finally {
    openssl.remove();
  }
});

test('every signature verifies and every serial number is positive and in its shortest form, whatever chance brings', async () => {
  const signer = await signerOf('ec-p256');
  const { publicKey } = new X509Certificate(signer.certificatePem);
  const spki = spkiDer((await generateKeys()).publicKey);
  const lengths = new Set<number>();
  for (let count = 0; count < 400; count += 1) {
    const made = await writeCertificate(
      {
        notBefore: new Date(Date.UTC(2049, 11, 31, 23, 59, 59)),
        notAfter: new Date(Date.UTC(2050, 0, 1)),
        ...{ issuer: signer.name, commonName: 'web', spki, extensions: [] },
      },
      signer,
    );
    lengths.add(made.length);
    const read = new X509Certificate(toPem('CERTIFICATE', made));
    expect(read.verify(publicKey)).toBe(true);
    expect([Date.parse(read.validFrom), Date.parse(read.validTo)]).toEqual([
      Date.UTC(2049, 11, 31, 23, 59, 59),
      Date.UTC(2050, 0, 1),
    ]);
    const [contents] = children(TAG.sequence, made);
    const [, serial] = children(TAG.sequence, contents!);
    const [first = 0, second = 0] = serial!.subarray(2);
    expect(first <= 0x7f && (first > 0 || second > 0x7f)).toBe(true);
  }
  // Chance has brought numbers of several lengths.
  expect(lengths.size).toBeGreaterThan(2);
});
