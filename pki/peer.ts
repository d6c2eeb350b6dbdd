import type { X509Certificate } from 'node:crypto';

import { parseSpiffeId } from '#core/spiffe-id.ts';
import type { SpiffeId, TrustDomain } from '#core/spiffe-id.ts';

import { leafFault } from './svid-constraints.ts';

/** Who a certificate says its holder is. Whether to trust the certificate is TLS's and the trust bundle's question. */
export type PeerIdentity =
  | { readonly ok: true; readonly id: SpiffeId; readonly trustDomain: TrustDomain; readonly path: string }
  | { readonly ok: false; readonly message: string };

/**
 * The one SPIFFE ID of a leaf certificate (SPIFFE X509-SVID, sections 2 and 5.2): exactly one URI name, in strict
 * form, in a certificate that can be a workload's, see {@link leafFault}. Never throws.
 *
 * Node writes names that contain a comma, a quote or a control character as a quoted string (CVE-2021-44532); a
 * quote anywhere is therefore a refusal, and the rest can be split safely.
 *
 * @param certificate from `socket.getPeerX509Certificate()`, never the legacy `getPeerCertificate()`
 */
export function peerSpiffeId(certificate: X509Certificate): PeerIdentity {
  const names = certificate.subjectAltName;
  if (names === undefined) return fault('it has no subject alternative name');
  if (names.includes('"')) return fault('a subject alternative name has characters that no SPIFFE ID has');
  const uris = names.split(', ').filter((name) => name.startsWith('URI:'));
  const [uri] = uris;
  if (uri === undefined) return fault('it has no URI name');
  if (uris.length > 1)
    return fault(`it has ${uris.length} URI names where a SPIFFE identity has exactly one`);
  const parsed = parseSpiffeId(uri.slice('URI:'.length));
  if (!parsed) return fault('its URI name is not a valid SPIFFE ID of a workload');
  const wrong = leafFault(certificate);
  return wrong === undefined ? { ok: true, ...parsed } : fault(wrong);
}

function fault(message: string): PeerIdentity {
  return { ok: false, message };
}
