/**
 * What things take of memory as long as they exist, whatever they carry, bytes: measured with a thousand of each on the images'
 * Node, by what the process had resident, and rounded up (docs/decisions/0027-memory-for-peers.md).
 */
export const MEMORY_COSTS = {
  /** A TCP socket, and what leads from it to the other end. */
  socket: 4_096,
  /** A TLS connection: its socket, OpenSSL's state, the peer's certificates. */
  tls: 40_960,
  /** A stream of a tunnel. */
  stream: 2_048,
} as const;
