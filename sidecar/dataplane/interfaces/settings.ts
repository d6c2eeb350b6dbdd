/** Every limit and waiting time of the data plane. Times in milliseconds. */
export interface DataPlaneSettings {
  /** From a peer's TCP connection to the end of its TLS handshake; also how long a peer may stay silent at first. */
  readonly handshakeMs: number;
  /** From the end of the handshake until the stream header is complete. */
  readonly headerMs: number;
  /** For a TCP connection to another pod or to the own application. */
  readonly connectMs: number;
  /** From the stream header until the peer's verdict. Longer than `connectMs`: the peer dials its application in between. */
  readonly verdictMs: number;
  /** For a TCP connection to a destination outside the mesh. */
  readonly passthroughConnectMs: number;
  /** For the resolver to say what a destination is. */
  readonly resolveMs: number;
  /** All attempts to reach a service together. */
  readonly dialMs: number;
  readonly dialAttempts: number;
  /** After one side has ended and nothing moved for this long, the connection is given up. */
  readonly halfOpenIdleMs: number;
  /**
   * What happens to an open connection when the certificate its peer last showed expires. In a tunnel, peers show their
   * newer ones; a connection outside of one cannot be given one. `cut` never lets a connection outlive its proof; `keep` lets
   * it go on while rules and roots allow it.
   */
  readonly expiredPeers: 'cut' | 'keep';
  /** How long a refused peer is given to read why. */
  readonly lingerMs: number;
  /** Connections that carry bytes; more are refused with `limit`. */
  readonly maxConnections: number;
  /** Inbound connections whose TLS handshake has not begun, and the bytes of their ClientHellos; of more, the oldest are evicted. */
  readonly maxGreetings: number;
  readonly maxGreetingsPerNetwork: number;
  readonly maxGreetingBytes: number;
  /** Inbound connections with TLS state whose peer is not admitted; of more, the oldest are evicted. */
  readonly maxHandshakes: number;
  readonly maxHandshakesPerNetwork: number;
  /** Cleartext connections to a permissive service, beside those that count for `maxConnections`; more are refused with `limit`. */
  readonly maxCleartext: number;
  readonly maxCleartextPerAddress: number;
  /** Whether peers that can speak `mesh/1` do: many streams in one connection. Off, each stream has a connection of its own. */
  readonly tunnel: boolean;
  /** How long a tunnel without a stream is kept by the side that opened it: not as long as by the other. */
  readonly tunnelIdleMs: number;
  /** How long a tunnel without a stream that was let through is kept by the side that took it. */
  readonly servedTunnelIdleMs: number;
  /** Tunnels to one pod at a time. */
  readonly maxTunnels: number;
  /** How long a failing endpoint is left alone at first; doubles with every further failure. */
  readonly ejectMs: number;
  readonly ejectMaxMs: number;
}

export const DEFAULT_SETTINGS: DataPlaneSettings = {
  handshakeMs: 5_000,
  headerMs: 5_000,
  connectMs: 2_000,
  verdictMs: 5_000,
  passthroughConnectMs: 10_000,
  resolveMs: 5_000,
  dialMs: 10_000,
  dialAttempts: 5,
  halfOpenIdleMs: 3_600_000,
  expiredPeers: 'cut',
  lingerMs: 1_000,
  maxConnections: 4_096,
  maxGreetings: 1_024,
  maxGreetingsPerNetwork: 512,
  maxGreetingBytes: 2_097_152,
  maxHandshakes: 32,
  maxHandshakesPerNetwork: 16,
  maxCleartext: 2_048,
  maxCleartextPerAddress: 1_024,
  tunnel: true,
  tunnelIdleMs: 50_000,
  servedTunnelIdleMs: 60_000,
  maxTunnels: 4,
  ejectMs: 1_000,
  ejectMaxMs: 30_000,
};
