import { sign, verify } from 'node:crypto';

import { readPrivateKey } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';
import { peerSpiffeId } from '#pki/peer.ts';
import type { Svid } from '#pki/svid.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import type { ChainEnd } from './chain.ts';

/**
 * What is known of an audit file outside of it: how far its chain had come at some moment, signed by the operator that wrote it. Whoever
 * holds the file can cut it off or write it again from its first line, hashes and all, and cannot write this. Pure.
 */
export interface Anchor extends ChainEnd {
  /** Name of the file, without its folder. */
  readonly file: string;
  /** RFC 3339. */
  readonly time: string;
}

/** Where anchors are kept: a ConfigMap of the mesh's namespace, an entry for each file. The chart makes it. */
export const ANCHORS_CONFIG_MAP = 'mesh-audit';

/** The certificates that an anchor is verified with: its own, and where the mesh's roots are. */
interface SignedAnchor extends Anchor {
  readonly certificates: string;
  /** Of {@link signedText}, ECDSA with SHA-256, Base64. */
  readonly signature: string;
}

const VERSION = 'mesh-audit-anchor/1';
const OPERATOR_PATH = /^\/ns\/([^/]+)\/dc\/[^/]+\/svc\/mesh-operator$/;
/** Of one entry, in characters. */
const MAX_TEXT = 32 * 1024;

/**
 * The text of an entry.
 *
 * @param identity the operator's own
 */
export function writeAnchor(
  anchor: Anchor,
  { certChainPem, keyPem }: Pick<Svid, 'certChainPem' | 'keyPem'>,
): string {
  const { privateKey } = readPrivateKey(keyPem);
  const signature = sign('sha256', Buffer.from(signedText(anchor)), privateKey).toString('base64');
  const signed: SignedAnchor = { ...anchor, certificates: certChainPem, signature };
  return JSON.stringify(signed);
}

/**
 * Reads an entry, without looking whether its signature is good.
 *
 * @throws RangeError when it is not an anchor
 */
export function readAnchor(text: string): Anchor {
  const { file, seq, hash, time } = parse(text);
  return { file, seq, hash, time };
}

/**
 * Reads an entry and verifies that an operator of this mesh signed it.
 *
 * @param rootsPem the roots of the mesh; where a root has been replaced since, the former one too
 * @param meshNamespace the namespace that the operator is installed in
 * @throws RangeError saying what is wrong
 */
export function verifyAnchor(text: string, rootsPem: string, meshNamespace: string): Anchor {
  const { certificates, signature, ...anchor } = parse(text);
  const [leaf, ...intermediates] = readCertificates(certificates);
  if (!leaf) throw new RangeError('its anchor has no certificate');
  const who = peerSpiffeId(leaf);
  const [, namespace] = (who.ok && OPERATOR_PATH.exec(who.path)) || [];
  if (!who.ok || namespace !== meshNamespace)
    throw new RangeError(
      `its anchor is not signed by an operator of namespace ${JSON.stringify(meshNamespace)}`,
    );
  const now = Date.parse(anchor.time);
  const fault = TrustBundle.of(who.trustDomain, rootsPem).fault(leaf, who.trustDomain, {
    now,
    intermediates,
  });
  if (fault !== undefined)
    throw new RangeError(
      `the certificate of its anchor is not trusted: ${fault}; where the root was replaced since ${anchor.time}, give the former one besides`,
    );
  const good = verify(
    'sha256',
    Buffer.from(signedText(anchor)),
    leaf.publicKey,
    Buffer.from(signature, 'base64'),
  );
  if (!good) throw new RangeError('the signature of its anchor is wrong: the anchor was changed');
  return anchor;
}

function signedText({ file, seq, hash, time }: Anchor): string {
  return JSON.stringify([VERSION, file, seq, hash, time]);
}

function parse(text: string): SignedAnchor {
  type Read = Partial<Record<keyof SignedAnchor, unknown>>;
  let value: Read | null = null;
  try {
    if (text.length <= MAX_TEXT) value = JSON.parse(text) as Read | null;
  } catch {
    value = null;
  }
  const { file, seq, hash, time, certificates, signature }: Read = value ?? {};
  if (
    ![file, hash, time, certificates, signature].every((one) => typeof one === 'string') ||
    !Number.isSafeInteger(seq) ||
    Number.isNaN(Date.parse(time as string))
  )
    throw new RangeError('its anchor cannot be read');
  return { file, seq, hash, time, certificates, signature } as SignedAnchor;
}
