import { X509Certificate } from 'node:crypto';

import { X509_SVID_USE, readBundleDocument } from '#core/spiffe-bundle.ts';

import { readCertificates } from './pem.ts';
import { signingFault } from './svid-constraints.ts';

/** The authorities of one trust domain as others publish them (SPIFFE Trust Domain and Bundle, section 4). */
export interface SpiffeBundle {
  /** None when the trust domain has taken all its keys back. */
  readonly roots: readonly X509Certificate[];
  readonly sequence?: number;
  /** Seconds. */
  readonly refreshHint?: number;
}

/**
 * Reads a bundle that came from elsewhere. One certificate in it that is none, or cannot be a root, spoils it all: a publisher that
 * makes such bundles is not understood, and whom it meant to take back is unknown.
 *
 * @throws RangeError saying what is wrong; never with the text in it.
 */
export function readSpiffeBundle(text: string): SpiffeBundle {
  const read = readBundleDocument(text);
  if (!read.ok) throw new RangeError(`the bundle ${read.message}`);
  const { certificates, ...about } = read.document;
  return { ...about, roots: certificates.map(authorityOf) };
}

/**
 * The authorities of a bundle that a person wrote down: JSON as above, or PEM.
 *
 * @throws RangeError saying what is wrong.
 */
export function readWrittenBundle(text: string): readonly X509Certificate[] {
  return text.trimStart().startsWith('{') ? readSpiffeBundle(text).roots : readCertificates(text);
}

/**
 * Writes a bundle: an entry for each root, with its key and exactly one certificate (X509-SVID, 6.1).
 *
 * @param about `refreshHint` in seconds
 */
export function writeSpiffeBundle(
  roots: readonly X509Certificate[],
  about: { readonly sequence: number; readonly refreshHint: number },
): string {
  const keys = roots.map((root) => ({
    ...root.publicKey.export({ format: 'jwk' }),
    use: X509_SVID_USE,
    x5c: [root.raw.toString('base64')],
  }));
  return JSON.stringify({
    keys,
    spiffe_sequence: about.sequence,
    spiffe_refresh_hint: about.refreshHint,
  });
}

function authorityOf(der: Buffer, index: number): X509Certificate {
  const which = `certificate ${index + 1} of the bundle`;
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch {
    throw new RangeError(`${which} cannot be read`);
  }
  if (certificate.raw.length !== der.length) throw new RangeError(`${which} has bytes after its end`);
  const fault = signingFault(certificate);
  if (fault !== undefined) throw new RangeError(`${which} cannot be a root: ${fault}`);
  return certificate;
}
