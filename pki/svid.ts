import type { X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';

import type { SpiffeId } from '#core/spiffe-id.ts';

import { readPrivateKey } from './keys.ts';
import { readCertificates } from './pem.ts';
import { peerSpiffeId } from './peer.ts';

/** A workload's identity: certificate, key, and what the certificate says. */
export interface Svid {
  /** Leaf, then intermediates. */
  readonly certChainPem: string;
  /** PKCS#8. In memory only; `JSON.stringify` and `console.log` of an Svid made by {@link readSvid} hide it. */
  readonly keyPem: string;
  readonly spiffeId: SpiffeId;
  /** Unix time, milliseconds. */
  readonly notBefore: number;
  /** Unix time, milliseconds. */
  readonly notAfter: number;
  /** Hex, upper case. */
  readonly serial: string;
}

/**
 * Reads and checks an identity: the leaf names exactly one SPIFFE ID and belongs to the key.
 *
 * @throws RangeError saying what is wrong.
 */
export function readSvid(material: { readonly certChainPem: string; readonly keyPem: string }): Svid {
  const [leaf] = readCertificates(material.certChainPem);
  if (!leaf) throw new RangeError('the certificate chain is empty');
  const identity = peerSpiffeId(leaf);
  if (!identity.ok) throw new RangeError(`the leaf certificate is not an SVID: ${identity.message}`);
  if (!leaf.checkPrivateKey(readPrivateKey(material.keyPem).privateKey)) {
    throw new RangeError('the certificate does not belong to the private key');
  }
  const svid: Svid = {
    ...material,
    spiffeId: identity.id,
    ...validity(leaf),
    serial: leaf.serialNumber,
  };
  return hidingKey(svid);
}

/** The same object, whose key shows neither in `JSON.stringify` nor in what a log or a crash prints of it. A copy shows it again. */
export function hidingKey<T extends { readonly keyPem: string }>(material: T): T {
  const visible = { ...material, keyPem: '(not shown)' };
  return Object.defineProperties(material, {
    toJSON: { value: () => visible },
    [inspect.custom]: { value: () => visible },
  });
}

/** When a certificate begins and ends, as Unix time in milliseconds. */
export function validity(certificate: X509Certificate): {
  readonly notBefore: number;
  readonly notAfter: number;
} {
  return { notBefore: Date.parse(certificate.validFrom), notAfter: Date.parse(certificate.validTo) };
}
