import { isRecord } from '#base/record.ts';

/**
 * SPIFFE bundles (SPIFFE Trust Domain and Bundle, section 4): a JSON Web Key Set that holds the authorities of one trust domain,
 * which it does not name. Read here as far as it can be without looking into a certificate.
 */

/** The certificates of a bundle and what it says about itself. */
interface BundleDocument {
  /** DER, in the order of the bundle; none when the trust domain has taken all its keys back (section 4.1.3). */
  readonly certificates: readonly Buffer[];
  /** Grows with every change (4.1.1). */
  readonly sequence?: number;
  /** How often to look again, seconds (4.1.2). */
  readonly refreshHint?: number;
}

export type BundleReading =
  { readonly ok: true; readonly document: BundleDocument } | { readonly ok: false; readonly message: string };

/** Of the JSON text, in characters. Bundles that are worth trusting have a few kilobytes. */
export const MAX_BUNDLE_LENGTH = 256 * 1024;
/** What becomes of it stands in the MeshConfig, which all sidecars watch and which must fit into the store of the API server. */
export const MAX_BUNDLE_ROOTS = 16;
const MAX_DER_BYTES = 24 * 1024;
const MAX_KEYS = 256;

/** `use` of keys that vouch for X.509-SVIDs. */
export const X509_SVID_USE = 'x509-svid';
/** Keys of a kind we do not know are passed over (4.2.1). */
const KEY_TYPES = new Set(['EC', 'RSA', 'OKP']);
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Reads the text of a bundle. Entries for other purposes, of unknown kinds or without a certificate are passed over, as the
 * standard asks (4.1.3, X509-SVID 6.2). Never throws, and never repeats the text: it may hold a key by mistake.
 */
export function readBundleDocument(text: string): BundleReading {
  if (text.length > MAX_BUNDLE_LENGTH) return fault(`is longer than ${MAX_BUNDLE_LENGTH} characters`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return fault('is not JSON');
  }
  if (!isRecord(parsed)) return fault('is not a JSON object');
  const { keys, spiffe_sequence: sequence, spiffe_refresh_hint: refreshHint } = parsed;
  if (!Array.isArray(keys)) return fault('has no list "keys", so it is not a SPIFFE bundle');
  if (keys.length > MAX_KEYS) return fault(`has ${keys.length} keys; at most ${MAX_KEYS}`);
  if (!isCount(sequence)) return fault('has a spiffe_sequence that is not a whole number');
  if (!isCount(refreshHint)) return fault('has a spiffe_refresh_hint that is not a whole number');
  const certificates: Buffer[] = [];
  for (const [index, key] of (keys as unknown[]).entries()) {
    const read = certificateOf(key);
    if (typeof read === 'string') return fault(`has a key number ${index + 1} that ${read}`);
    if (read) certificates.push(read);
  }
  const size = certificates.reduce((sum, { length }) => sum + length, 0);
  if (certificates.length > MAX_BUNDLE_ROOTS || size > MAX_DER_BYTES)
    return fault(
      `has ${certificates.length} certificates of ${size} bytes; at most ${MAX_BUNDLE_ROOTS} certificates and ${MAX_DER_BYTES} bytes`,
    );
  return {
    ok: true,
    document: {
      certificates,
      ...(sequence === undefined ? {} : { sequence }),
      ...(refreshHint === undefined ? {} : { refreshHint }),
    },
  };
}

/** The certificate of an entry; undefined when the entry is none of ours; what is wrong with it, as the end of a sentence. */
function certificateOf(key: unknown): Buffer | string | undefined {
  if (!isRecord(key)) return 'is not an object';
  if (key['d'] !== undefined)
    return 'is a private key, which must not be here: replace it wherever it is used';
  if (key['use'] !== X509_SVID_USE || !KEY_TYPES.has(key['kty'] as string)) return undefined;
  const chain = key['x5c'];
  if (chain === undefined || (Array.isArray(chain) && chain.length === 0)) return undefined;
  // Of several the first is the one meant, and the others are to be passed over (X509-SVID 6.2).
  const first: unknown = Array.isArray(chain) ? chain[0] : undefined;
  if (typeof first !== 'string' || first === '' || !BASE64.test(first))
    return 'has an x5c that cannot be read';
  return Buffer.from(first, 'base64');
}

/** Whole, and small enough for what the API server keeps; rounding of very large numbers keeps their order. */
function isCount(value: unknown): value is number | undefined {
  return (
    value === undefined || (Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 63)
  );
}

function fault(message: string): BundleReading {
  return { ok: false, message };
}
