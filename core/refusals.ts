/** What a word of the table means for the protocols, for other endpoints and for the log. */
interface RefusalRow {
  /** Its number in tunnels; never given another meaning. What has none is told to peers as `app-reset`. */
  readonly code?: number;
  /** `mesh-stream/1` tells it, by the same word; what has no verdict there ends with a reset of the connection. */
  readonly verdict?: true;
  /** What a caller does about an endpoint whose sidecar refuses a stream so, before anything reached the application. */
  readonly next?: NextAttempt;
  /** How the log tells it: a refusal, or that the other sidecar ended a connection so. */
  readonly log: 'warn' | 'debug' | 'none';
  /** The level of refused callers, where that is another. */
  readonly inboundLog?: 'debug';
  /** How tunnels and their streams end; no connection is refused so. */
  readonly endOnly?: true;
}

export interface NextAttempt {
  /** Whether another endpoint may do better. */
  readonly retry: boolean;
  /** Whether this endpoint is left alone for a while. */
  readonly eject: boolean;
}

const STOP = { retry: false, eject: false } as const;
const ELSEWHERE = { retry: true, eject: false } as const;
const EJECT = { retry: true, eject: true } as const;

/**
 * Why a connection is not let through, or ends before its time. Stable words: they stand in logs, metrics and on the wire. What
 * each means to people is in `refusal-texts.ts`, which no program has in it.
 */
export const REFUSALS = {
  denied: { code: 1, verdict: true, next: STOP, log: 'warn' },
  plaintext: { log: 'warn' },
  'no-client-certificate': { log: 'warn' },
  'untrusted-certificate': { code: 7, next: EJECT, log: 'warn' },
  'expired-certificate': { code: 8, next: EJECT, log: 'warn' },
  'not-yet-valid-certificate': { log: 'warn' },
  'not-a-mesh-identity': { log: 'warn' },
  'wrong-identity': { log: 'warn' },
  'session-resumed': { log: 'warn' },
  'handshake-failed': { log: 'warn' },
  'handshake-timeout': { log: 'warn' },
  'bad-header': { log: 'warn' },
  'header-timeout': { log: 'warn' },
  'port-not-declared': { code: 2, verdict: true, next: ELSEWHERE, log: 'warn' },
  'app-unreachable': { code: 3, verdict: true, next: EJECT, log: 'warn' },
  draining: { code: 4, verdict: true, next: EJECT, log: 'warn' },
  // Nobody is led to a sidecar without a certificate, but whoever looks whether it has one.
  'not-ready': { code: 5, verdict: true, next: EJECT, log: 'warn', inboundLog: 'debug' },
  limit: { code: 6, verdict: true, next: EJECT, log: 'warn' },
  loop: { log: 'warn' },
  'unknown-destination': { log: 'warn' },
  'no-endpoints': { log: 'warn' },
  unreachable: { log: 'warn' },
  'bad-verdict': { log: 'warn' },
  'verdict-timeout': { log: 'warn' },
  'not-the-operator': { log: 'warn' },
  'client-gone': { log: 'debug' },
  // What applications do themselves is no news.
  'app-reset': { code: 9, endOnly: true, log: 'none' },
  idle: { code: 10, endOnly: true, log: 'none' },
  cancelled: { code: 11, endOnly: true, log: 'none' },
  'protocol-error': { code: 12, endOnly: true, log: 'warn' },
  // Never sent: how the end of a stream is told to its owner.
  'tunnel-lost': { code: 13, endOnly: true, log: 'warn' },
} as const satisfies Readonly<Record<string, RefusalRow>>;

/** Every word of the table. */
export type Reason = keyof typeof REFUSALS;

/** The words whose rows have this. */
type ReasonWith<Column> = {
  [Word in Reason]: (typeof REFUSALS)[Word] extends Column ? Word : never;
}[Reason];

/** Why a connection was not let through, or was ended by its own sidecar. */
export type RefusalReason = Exclude<Reason, ReasonWith<{ readonly endOnly: true }>>;

/** Why a stream, or a tunnel, ended before its time: what has a number on the wire. */
export type ResetReason = ReasonWith<{ readonly code: number }>;

/** Why a sidecar refuses a stream of `mesh-stream/1`. */
export type VerdictCode = ReasonWith<{ readonly verdict: true }>;

/** Why a sidecar refuses a stream, as its caller hears it and judges the endpoint by. */
export type PeerRefusal = ReasonWith<{ readonly next: NextAttempt }>;

/** @param word may be of a newer version, or anything that a peer wrote */
export function refusalRow(word: Reason): RefusalRow;
export function refusalRow(word: string): RefusalRow | undefined;
export function refusalRow(word: string): RefusalRow | undefined {
  return Object.hasOwn(REFUSALS, word) ? REFUSALS[word as Reason] : undefined;
}
