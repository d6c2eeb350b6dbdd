import 'reflect-metadata';

import { createPublicKey, webcrypto } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import * as x509 from '@peculiar/x509';

import { TAG, children } from './der.ts';
import { leafKeyKind, spkiDer } from './keys.ts';
import type { LeafKeyKind } from './keys.ts';
import { pemBlock, toPem } from './pem.ts';

/** Reads certificate requests of others. Everything in them is hostile: only the public key of one is ever used. */

/** Why a request is refused. Stable words, for metrics and logs. */
type CsrFault =
  | 'csr-unreadable'
  | 'csr-trailing-bytes'
  | 'csr-key'
  | 'csr-signature'
  | 'csr-attribute'
  | 'csr-ca'
  | 'csr-extension'
  | 'csr-name';

export interface CsrContents {
  /** The request itself, PEM: for an authority that asks for the proof too. */
  readonly csrPem: string;
  /** SubjectPublicKeyInfo, DER, in its one canonical form. */
  readonly spki: Buffer;
  readonly keyKind: LeafKeyKind;
  /** The one URI name that was asked for, if any. */
  readonly requestedUri: string | undefined;
  /** The one common name of the subject, if any. */
  readonly commonName: string | undefined;
}

export type CsrResult =
  | { readonly ok: true; readonly csr: CsrContents }
  | { readonly ok: false; readonly reason: CsrFault; readonly message: string };

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SUBJECT_ALT_NAME = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const COMMON_NAME = '2.5.4.3';
const HASHES: ReadonlySet<string> = new Set(['SHA-256', 'SHA-384', 'SHA-512']);

/** Of a named curve and an uncompressed point; a curve spelled out, or a compressed point, has another length. */
const SPKI_BYTES: Readonly<Record<LeafKeyKind, number>> = { 'P-256': 91, 'P-384': 120, Ed25519: 44 };

class CsrRefusal extends Error {
  readonly reason: CsrFault;

  constructor(reason: CsrFault, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Reads one PEM certificate request and proves that the sender holds its key. Never throws.
 *
 * Allowed: a key of P-256, P-384 or Ed25519, a subject that is empty or one common name, and at most one requested
 * extension, a subject alternative name with one URI. Whoever asks for more did not come from this mesh.
 *
 * @param pem at most as long as the caller's limit on request bodies
 */
export async function checkCsr(pem: string): Promise<CsrResult> {
  try {
    return { ok: true, csr: await read(pem) };
  } catch (error) {
    if (error instanceof CsrRefusal) return { ok: false, reason: error.reason, message: error.message };
    return { ok: false, reason: 'csr-unreadable', message: 'the certificate request cannot be read' };
  }
}

async function read(pem: string): Promise<CsrContents> {
  const der = pemBlock('CERTIFICATE REQUEST', pem);
  const request = new x509.Pkcs10CertificateRequest(der);
  if (!isExact(der))
    throw new CsrRefusal('csr-trailing-bytes', 'the certificate request has bytes or parts after its end');
  const publicKey = readPublicKey(Buffer.from(request.publicKey.rawData));
  const contents = {
    csrPem: toPem('CERTIFICATE REQUEST', der),
    ...publicKey,
    requestedUri: requestedUri(request),
    commonName: subjectName(request),
  };
  await verify(request);
  return contents;
}

/** The library ignores what follows the request, and parts too many inside it; here that is not a request at all. */
function isExact(der: Uint8Array): boolean {
  try {
    const [info, , , ...more] = children(TAG.sequence, der);
    return info !== undefined && more.length === 0 && children(TAG.sequence, info).length <= 4;
  } catch {
    return false;
  }
}

/** OpenSSL reads the key (point on the curve, named curve); written again it must be the same bytes. */
function readPublicKey(spki: Buffer): { spki: Buffer; keyKind: LeafKeyKind } {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    throw new CsrRefusal('csr-key', 'the public key cannot be read');
  }
  const keyKind = leafKeyKind(key);
  if (!keyKind) throw new CsrRefusal('csr-key', 'the public key is not EC P-256, EC P-384 or Ed25519');
  if (spki.length !== SPKI_BYTES[keyKind] || !spkiDer(key).equals(spki)) {
    throw new CsrRefusal('csr-key', 'the public key is not written in its usual form');
  }
  return { spki, keyKind };
}

async function verify(request: x509.Pkcs10CertificateRequest): Promise<void> {
  const { name, hash } = request.signatureAlgorithm as { name: string; hash?: { name: string } };
  const strong = name === 'Ed25519' || (name === 'ECDSA' && hash !== undefined && HASHES.has(hash.name));
  if (!strong)
    throw new CsrRefusal('csr-signature', 'the request is not signed with ECDSA and SHA-2, or Ed25519');
  let valid = false;
  try {
    valid = await request.verify(webcrypto);
  } catch {
    valid = false;
  }
  if (!valid) throw new CsrRefusal('csr-signature', 'the signature of the request does not verify');
}

function requestedUri(request: x509.Pkcs10CertificateRequest): string | undefined {
  const [attribute, ...more] = request.attributes;
  if (!attribute) return undefined;
  if (more.length > 0 || attribute.type !== EXTENSION_REQUEST || attribute.values.length !== 1) {
    throw new CsrRefusal('csr-attribute', 'the request has attributes besides one extension request');
  }
  for (const extension of request.extensions) refuseExtension(extension);
  const [names, ...others] = request.extensions;
  if (!names) return undefined;
  if (others.length > 0) throw new CsrRefusal('csr-extension', 'the request asks for one extension twice');
  const { items } = new x509.SubjectAlternativeNameExtension(names.rawData).names;
  const [uri, ...rest] = items;
  if (uri?.type !== 'url' || rest.length > 0) {
    throw new CsrRefusal('csr-name', 'the request asks for names other than one URI');
  }
  return uri.value;
}

function refuseExtension(extension: x509.Extension): void {
  if (extension.type === SUBJECT_ALT_NAME) return;
  if (extension.type === BASIC_CONSTRAINTS && new x509.BasicConstraintsExtension(extension.rawData).ca) {
    throw new CsrRefusal('csr-ca', 'the request asks to become an authority');
  }
  throw new CsrRefusal('csr-extension', `the request asks for the extension ${extension.type}`);
}

function subjectName(request: x509.Pkcs10CertificateRequest): string | undefined {
  const parts = request.subjectName.toJSON().flatMap((part) => Object.entries(part));
  const [part, ...more] = parts;
  if (!part) return undefined;
  const [type, values] = part;
  if (more.length > 0 || (type !== 'CN' && type !== COMMON_NAME) || values.length !== 1) {
    throw new CsrRefusal('csr-name', 'the subject of the request has more than one common name');
  }
  return values[0];
}
