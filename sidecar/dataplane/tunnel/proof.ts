import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

import { VOUCH_BYTES } from './frames/protocol.ts';

/**
 * Something that only the two ends of a TLS connection know, and that no two connections share (RFC 8446 section 7.5): who
 * shows it on another connection is the very process that holds this one.
 *
 * @param tls after its handshake
 * @returns hexadecimal
 */
export function tunnelProof(tls: TLSSocket): string {
  return tls.exportKeyingMaterial(VOUCH_BYTES, 'EXPORTER-mesh-tunnel', Buffer.alloc(0)).toString('hex');
}

/**
 * What one process may tell another of a proof, so that this one finds its tunnel: nobody can vouch with it.
 *
 * @returns hexadecimal
 */
export function hashOfProof(proof: string): string {
  return createHash('sha256').update(proof, 'hex').digest('hex');
}
