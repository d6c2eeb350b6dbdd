import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

import type { Svid } from './svid.ts';
import type { TrustBundle } from './trust-bundle.ts';

/**
 * Options of every TLS context of the mesh: both ends, first use and every exchange of certificates. It must be this one
 * function, because `server.setSecureContext` forgets whatever is not repeated: a swap without `minVersion` takes TLS
 * 1.2 again, and one without `secureOptions` takes resumed sessions, whose certificates nobody checks again.
 *
 * @param identity what this side shows; certificates with their key
 * @param bundle whom this side trusts; nobody when absent. With more than one trust domain in it, the caller must ask
 *   `bundle.fault` about every peer
 */
export function secureContextOptions(
  identity: Pick<Svid, 'certChainPem' | 'keyPem'>,
  bundle?: TrustBundle,
): SecureContextOptions {
  return {
    cert: identity.certChainPem,
    key: identity.keyPem,
    // Never absent: without `ca`, Node trusts every public web authority.
    ca: bundle?.rootsOfAllDomains.map((root) => root.toString()) ?? [],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // The fastest first: all are good, and OpenSSL would begin with the longest key.
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
