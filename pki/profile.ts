import 'reflect-metadata';

import { X509Certificate, randomBytes, webcrypto } from 'node:crypto';

import * as x509 from '@peculiar/x509';

import type { CaKeyType } from '#core/model/ca-settings.ts';
import type { ServiceIdentity, SpiffeId, TrustDomain } from '#core/spiffe-id.ts';

import { ALGORITHMS, extension, writeCertificate } from './certificate.ts';
import { TAG, children, der } from './der.ts';
import { caKeyType, readPrivateKey, sha256Hex, spkiDer } from './keys.ts';
import type { KeyPair } from './keys.ts';
import { pemBlock, toPem } from './pem.ts';
import { signingFault } from './svid-constraints.ts';

/**
 * The certificates of the mesh, one function for each kind (RFC 5280, SPIFFE X509-SVID). They are Consul's, with these
 * differences: serials are random, 128 bits, instead of counted; a root too begins a minute ago, so that a node whose clock
 * is behind trusts a fresh mesh; names for people end in `.mesh`.
 */

/** Certificates begin this long before they are made, for clocks that are behind. */
export const BACKDATE_MS = 60_000;
export const ROOT_LIFE_MS = 10 * 365 * 24 * 3600 * 1000;

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const OIDS = { subjectAltName: '2.5.29.17', subjectKeyId: '2.5.29.14', authorityKeyId: '2.5.29.35' } as const;
const usage = x509.KeyUsageFlags;

/** What no leaf differs in, so that it is written once. */
function usages(keyUsage: x509.KeyUsageFlags, extendedKeyUsage: readonly string[]): readonly Buffer[] {
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(keyUsage, true),
    new x509.ExtendedKeyUsageExtension([...extendedKeyUsage], false),
  ].map(({ rawData }) => Buffer.from(rawData));
}

const LEAF_USAGES = usages(
  usage.digitalSignature | usage.keyEncipherment | usage.dataEncipherment | usage.keyAgreement,
  [CLIENT_AUTH, SERVER_AUTH],
);
const SERVING_USAGES = usages(usage.digitalSignature, [SERVER_AUTH]);

/** Someone who can sign: an authority's certificate with its key, ready for use. */
export interface Signer {
  readonly certificatePem: string;
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
  readonly keyType: CaKeyType;
  /** How many authorities may stand between it and a leaf; undefined where nothing limits that (RFC 5280, 4.2.1.9). */
  readonly pathLength: number | undefined;
  /** What signs with `key`. */
  readonly crypto: webcrypto.Crypto;
  /** Its name, DER. */
  readonly name: Uint8Array;
  /** What others call its key, hex. */
  readonly keyId: string;
  /** Unix time, milliseconds. */
  readonly notAfter: number;
}

/** The subject as it stands there, since an issuer's name must be the same bytes (RFC 5280, 4.1.2.4). An authority's certificate has a version. */
function subjectOf(certificate: Uint8Array): Uint8Array {
  const [contents = new Uint8Array()] = children(TAG.sequence, certificate);
  const [, , , , , subject] = children(TAG.sequence, contents);
  if (!subject) throw new RangeError('the certificate has no subject');
  return subject;
}

/** What is the same for every certificate that is made. Times as Unix time in milliseconds. */
export interface Life {
  readonly now: number;
  readonly ttlMs: number;
}

/**
 * Makes a signer of an authority's certificate and key.
 *
 * @param crypto what signs: Node's own by default
 * @throws RangeError when one of them cannot be read, cannot sign others or is of no kind we know, or they do not belong together.
 */
export async function readSigner(
  certificatePem: string,
  keyPem: string,
  crypto: webcrypto.Crypto = webcrypto,
): Promise<Signer> {
  const raw = pemBlock('CERTIFICATE', certificatePem);
  const keys = readPrivateKey(keyPem);
  let certificate: x509.X509Certificate;
  try {
    certificate = new x509.X509Certificate(raw);
  } catch {
    throw new RangeError('the certificate cannot be read');
  }
  const keyType = caKeyType(keys.publicKey);
  if (!keyType) throw new RangeError('the key is neither EC P-256 or P-384 nor RSA 2048 or 4096');
  if (!spkiDer(keys.publicKey).equals(Buffer.from(certificate.publicKey.rawData))) {
    throw new RangeError('the certificate does not belong to the key');
  }
  const constraints = certificate.getExtension(x509.BasicConstraintsExtension);
  const fault = signingFault(new X509Certificate(raw));
  if (fault !== undefined) throw new RangeError(`the certificate cannot sign others: ${fault}`);
  return {
    certificatePem: toPem('CERTIFICATE', raw),
    certificate,
    key: await signingKey(keys, keyType, crypto),
    keyType,
    pathLength: constraints?.pathLength,
    crypto,
    name: subjectOf(raw),
    keyId: keyIdOf(certificate),
    notAfter: certificate.notAfter.getTime(),
  };
}

/**
 * A new self-signed root of a trust domain.
 *
 * @throws RangeError when the key is of no kind for authorities.
 */
export async function issueRoot(
  keys: KeyPair,
  domain: TrustDomain,
  now: number,
  ttlMs = ROOT_LIFE_MS,
): Promise<string> {
  const keyType = caKeyType(keys.publicKey);
  if (!keyType) throw new RangeError('a root has an EC P-256 or P-384, or an RSA 2048 or 4096 key');
  const spki = spkiDer(keys.publicKey);
  const name = commonName(`mesh-${randomBytes(4).toString('hex')}.ca.${shortDomain(domain)}.mesh`);
  const keyId = sha256Hex(spki);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...times({ now, ttlMs }),
      serialNumber: randomSerial(),
      subject: name,
      issuer: name,
      publicKey: spki,
      signingKey: await signingKey(keys, keyType, webcrypto),
      signingAlgorithm: ALGORITHMS[keyType],
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(usage.digitalSignature | usage.keyCertSign | usage.cRLSign, true),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${domain}` }], false),
        new x509.SubjectKeyIdentifierExtension(keyId, false),
        new x509.AuthorityKeyIdentifierExtension(keyId, false),
      ],
    },
    webcrypto,
  );
  return pem(certificate);
}

/**
 * A new root's name and key, signed by the signer: an intermediate certificate over which whoever trusts the signer trusts
 * what the new root signs (RFC 4158, 1.5: cross-certificates). It ends with the signer or with the new root, whichever is first.
 *
 * @param rootPem self-signed
 * @param now Unix time, milliseconds
 * @returns PEM
 * @throws RangeError when it is not a root, or the signer's own.
 */
export async function issueCrossSigned(signer: Signer, rootPem: string, now: number): Promise<string> {
  const root = await readRoot(rootPem);
  const spki = Buffer.from(root.publicKey.rawData);
  if (spki.equals(Buffer.from(signer.certificate.publicKey.rawData))) {
    throw new RangeError('a root is not cross-signed by itself');
  }
  const names = root.getExtension(x509.SubjectAlternativeNameExtension);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...times({ now, ttlMs: root.notAfter.getTime() - now }, signer.notAfter),
      serialNumber: randomSerial(),
      subject: root.subjectName,
      issuer: signer.certificate.subjectName,
      publicKey: spki,
      signingKey: signer.key,
      signingAlgorithm: ALGORITHMS[signer.keyType],
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(usage.digitalSignature | usage.keyCertSign | usage.cRLSign, true),
        ...(names ? [names] : []),
        new x509.SubjectKeyIdentifierExtension(keyIdOf(root), false),
        new x509.AuthorityKeyIdentifierExtension(signer.keyId, false),
      ],
    },
    signer.crypto,
  );
  return pem(certificate);
}

async function readRoot(rootPem: string): Promise<x509.X509Certificate> {
  const der = pemBlock('CERTIFICATE', rootPem);
  let root: x509.X509Certificate;
  let own = false;
  try {
    root = new x509.X509Certificate(der);
    own = await root.isSelfSigned(webcrypto);
  } catch {
    throw new RangeError('the root certificate cannot be read');
  }
  if (!own) throw new RangeError('the root certificate is not signed by its own key');
  const fault = signingFault(new X509Certificate(der));
  if (fault !== undefined) throw new RangeError(`the root certificate cannot sign others: ${fault}`);
  return root;
}

/** What other certificates call the key of an authority: its own word for it, which need not be the SHA-256 that we write. */
function keyIdOf(certificate: x509.X509Certificate): string {
  const own = certificate.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  return own ?? sha256Hex(Buffer.from(certificate.publicKey.rawData));
}

/** A workload's leaf: both ends of mutual TLS, one SPIFFE ID and no other name. */
export async function issueLeaf(
  signer: Signer,
  leaf: Life & {
    readonly spki: Uint8Array;
    readonly spiffeId: SpiffeId;
    readonly who: ServiceIdentity;
    readonly trustDomain: TrustDomain;
  },
): Promise<string> {
  return issue(signer, leaf, {
    subject: leafCommonName(leaf.who, leaf.trustDomain),
    names: [der(TAG.uri, Buffer.from(leaf.spiffeId, 'ascii'))],
    usages: LEAF_USAGES,
  });
}

/** The certificate of an HTTPS server of the mesh, by host name. No workload identity: its holder is not a service's peer. */
export async function issueServing(
  signer: Signer,
  serving: Life & { readonly spki: Uint8Array; readonly dnsNames: readonly string[] },
): Promise<string> {
  return issue(signer, serving, {
    subject: serving.dnsNames.find((name) => name.length <= 64) ?? 'mesh',
    names: serving.dnsNames.map((name) => der(TAG.dnsName, Buffer.from(name, 'ascii'))),
    usages: SERVING_USAGES,
  });
}

interface Contents {
  readonly subject: string;
  /** Each as a GeneralName, DER. */
  readonly names: readonly Buffer[];
  readonly usages: readonly Buffer[];
}

async function issue(
  signer: Signer,
  life: Life & { readonly spki: Uint8Array },
  { subject, names, usages }: Contents,
): Promise<string> {
  const extensions = [
    ...usages,
    extension(OIDS.subjectAltName, der(TAG.sequence, ...names)),
    extension(OIDS.subjectKeyId, der(TAG.octetString, Buffer.from(sha256Hex(life.spki), 'hex'))),
    extension(OIDS.authorityKeyId, der(TAG.sequence, der(TAG.keyId, Buffer.from(signer.keyId, 'hex')))),
  ];
  const validity = times(life, signer.notAfter);
  const fields = { ...validity, issuer: signer.name, commonName: subject, spki: life.spki, extensions };
  return toPem('CERTIFICATE', await writeCertificate(fields, signer));
}

/**
 * The common name of a leaf, for people only: `<service>.svc.<namespace>.<td8>.mesh`, where td8 is the first eight letters
 * and digits of the trust domain. Cut to the 64 characters X.520 allows; the SPIFFE ID is never cut.
 */
export function leafCommonName(who: ServiceIdentity, domain: TrustDomain): string {
  const tail = `.${shortDomain(domain)}.mesh`;
  const room = 64 - '.svc.'.length - tail.length;
  const service = who.service.slice(0, Math.max(room >> 1, room - who.namespace.length));
  return `${service}.svc.${who.namespace.slice(0, room - service.length)}${tail}`;
}

function shortDomain(domain: TrustDomain): string {
  return domain.replace(/[^a-z0-9]/g, '').slice(0, 8);
}

function commonName(value: string): x509.Name {
  return new x509.Name([{ CN: [{ utf8String: value }] }]);
}

/** Never longer than the signer's own life: a leaf whose issuer has ended convinces nobody. */
function times(life: Life, signerNotAfter = Infinity): { readonly notBefore: Date; readonly notAfter: Date } {
  const notAfter = Math.min(life.now + life.ttlMs, signerNotAfter);
  if (notAfter <= life.now) throw new RangeError('the signer has ended; nothing can be signed by it');
  return {
    notBefore: new Date(wholeSecond(life.now - BACKDATE_MS)),
    notAfter: new Date(wholeSecond(notAfter)),
  };
}

function wholeSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

/** 128 random bits. The library writes it as a positive integer, with a zero byte in front where the first bit is set. */
function randomSerial(): string {
  return randomBytes(16).toString('hex');
}

async function signingKey(
  keys: KeyPair,
  type: CaKeyType,
  crypto: webcrypto.Crypto,
): Promise<webcrypto.CryptoKey> {
  const pkcs8 = keys.privateKey.export({ format: 'der', type: 'pkcs8' });
  return crypto.subtle.importKey('pkcs8', pkcs8, ALGORITHMS[type], false, ['sign']);
}

function pem(certificate: x509.X509Certificate): string {
  return toPem('CERTIFICATE', new Uint8Array(certificate.rawData));
}
