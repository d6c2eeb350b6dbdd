/** Why a connection was not let through, or was ended. Stable words: they stand in logs, metrics and on the wire. */
export const REFUSAL_REASONS = [
  /** The rules say no. */
  'denied',
  /** No TLS where only mutual TLS is taken. */
  'plaintext',
  'no-client-certificate',
  'untrusted-certificate',
  'expired-certificate',
  'not-yet-valid-certificate',
  /** The certificate is good but names no single workload. */
  'not-a-mesh-identity',
  /** The peer proved to be somebody else than the one that was called. */
  'wrong-identity',
  /** A resumed TLS session: its certificate was not checked again. */
  'session-resumed',
  'handshake-failed',
  'handshake-timeout',
  'bad-header',
  'header-timeout',
  /** The service does not offer this port. */
  'port-not-declared',
  'app-unreachable',
  'draining',
  /** This sidecar has no certificate yet. */
  'not-ready',
  /** Too many connections. */
  'limit',
  /** The connection leads back to the sidecar itself. */
  'loop',
  'unknown-destination',
  'no-endpoints',
  /** The peer's sidecar could not be reached. */
  'unreachable',
  'bad-verdict',
  'verdict-timeout',
  /** A control connection of somebody who is not the operator. */
  'not-the-operator',
  /** The other end went away before it was let through. */
  'client-gone',
] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** Says that a connection is refused, and why. */
export class ConnectionRefusal extends Error {
  readonly reason: RefusalReason;
  /** More fields for the log line. */
  readonly fields: Readonly<Record<string, unknown>>;

  /**
   * @param message a sentence for people
   * @param fields more for the log line; nothing secret
   */
  constructor(reason: RefusalReason, message: string, fields: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'ConnectionRefusal';
    this.reason = reason;
    this.fields = fields;
  }
}
