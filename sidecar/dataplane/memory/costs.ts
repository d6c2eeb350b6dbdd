/**
 * What things take of memory as long as they exist, whatever they carry, bytes: measured with a thousand of each on the images'
 * Node, by what the process had resident, and rounded up (docs/decisions/0027-memory-for-peers.md).
 */
export const MEMORY_COSTS = {
  /** A TCP socket, and what leads from it to the other end. */
  socket: 3_072,
  /** A TLS connection: its socket, OpenSSL's state, the peer's certificates. */
  tls: 47_104,
  /** A stream of a tunnel. */
  stream: 2_048,
} as const;

/** What a peer of ours says in a handshake at most, bytes. */
const HANDSHAKE_BYTES = 4_096;
/** Longer chains of certificates are kept as they came, and as what was read from them. */
const CHAIN_FACTOR = 4;

/**
 * What a TLS connection takes of memory.
 *
 * @param raw the TCP socket below, right after the handshake
 */
export function tlsMemory({ bytesRead }: { readonly bytesRead: number }): number {
  return MEMORY_COSTS.tls + CHAIN_FACTOR * Math.max(0, bytesRead - HANDSHAKE_BYTES);
}
