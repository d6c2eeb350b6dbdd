/** Which way a connection goes, seen from this pod. */
export type Direction = 'inbound' | 'outbound';

/** How the bytes travel: mutual TLS of the mesh, plaintext taken in by a permissive service, or passed through to the outside. */
type Security = 'mtls' | 'plaintext' | 'passthrough';

/** Which port of the sidecar a connection came to. */
export type ShedPort = 'inbound' | 'admin' | 'local';

/**
 * What a connection had done so far: nothing whole was heard of it yet, its handshake was under way or its peer not admitted, it
 * carries cleartext, or it has asked for something and the answer is not taken.
 */
export type ShedPhase = 'greeting' | 'handshake' | 'cleartext' | 'request' | 'response' | 'probe';

/** Which limit it fell to: the share of its address, the number of all, or the bytes that all hold. */
export type ShedLimit = 'address' | 'total' | 'bytes';

export interface ConnectionLabels {
  readonly direction: Direction;
  readonly security: Security;
  /** SPIFFE ID of the peer; empty for plaintext and for the outside. */
  readonly peer: string;
}

export interface ClosedConnection extends ConnectionLabels {
  /** Both sides ended in peace, one side reset it, or the mesh cut it. */
  readonly end: 'finished' | 'reset' | 'cut';
  readonly durationMs: number;
  /** Bytes of the application, from the client to the server. */
  readonly bytesToServer: number;
  readonly bytesToClient: number;
}

/** What the data plane counts. The process that composes it turns these calls into metrics; none may throw. */
export interface DataPlaneMetrics {
  /** A connection was let through and carries bytes from now on. */
  connectionOpened(labels: ConnectionLabels): void;
  /** Called once for every `connectionOpened`. */
  connectionClosed(connection: ClosedConnection): void;
  /** A connection was never let through; `reason` is one of a fixed list (core/refusals.ts). */
  connectionRefused(direction: Direction, reason: string): void;
  /** An open connection was ended by the mesh because it is allowed no longer; `connectionClosed` follows. */
  connectionCut(direction: Direction, reason: string): void;
  /** A TLS handshake with a peer was completed. */
  handshake(direction: Direction, milliseconds: number): void;
  /** A connection that carries many streams was opened between two sidecars. */
  tunnelOpened(direction: Direction): void;
  /** Called once for every `tunnelOpened`; `reason` is one of a fixed list (core/refusals.ts). */
  tunnelClosed(direction: Direction, reason: string): void;
  /** From the application's connection to the peer's consent, all attempts together. */
  dialed(milliseconds: number, attempts: number): void;
  /** One attempt to reach an endpoint failed and another follows. */
  retried(reason: string): void;
  endpointEjected(): void;
  endpointRestored(): void;
  /** A connection was closed, or not taken, because too many like it are there. */
  shed(port: ShedPort, phase: ShedPhase, limit: ShedLimit): void;
  /** The kernel gave us no connection although one was waiting (`EMFILE`, `ENFILE`, ...). */
  acceptFailed(code: string): void;
}

/** Counts nothing. */
export const noMetrics: DataPlaneMetrics = {
  connectionOpened: () => undefined,
  connectionClosed: () => undefined,
  connectionRefused: () => undefined,
  connectionCut: () => undefined,
  handshake: () => undefined,
  tunnelOpened: () => undefined,
  tunnelClosed: () => undefined,
  dialed: () => undefined,
  retried: () => undefined,
  endpointEjected: () => undefined,
  endpointRestored: () => undefined,
  shed: () => undefined,
  acceptFailed: () => undefined,
};
