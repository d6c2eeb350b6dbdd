import type { NextAttempt, RefusalReason } from '#core/refusals.ts';
import type { SpiffeId } from '#core/spiffe-id.ts';

import type { AdmittedPeer } from '../peer/admit.ts';
import type { EarlyBytes } from '../bytes/early-bytes.ts';
import type { Leg } from '../bytes/leg.ts';

/** What a stream is opened for. */
export interface StreamHeader {
  /** Port of the application inside the pod. */
  readonly port: number;
  /** Where the client's application wanted to go, for logs: `10.215.3.4:5432` or `[fd00::1]:5432`. Nothing is decided by it. */
  readonly originalDestination?: string;
}

/** A stream that is wanted: to whom, and for what. */
export interface StreamRequest {
  /** IP of the pod; its sidecar's port is the transport's own matter. */
  readonly address: string;
  /** Port of the sidecar, where it is not the transport's usual one. */
  readonly peerPort?: number | undefined;
  /** Who must answer, exactly. */
  readonly expect: SpiffeId;
  readonly header: StreamHeader;
  /** What the application says meanwhile; may be sent along with the request. */
  readonly early?: EarlyBytes;
}

/** A stream that the peer consented to: bytes of the application may flow. */
export interface OpenStream {
  readonly leg: Leg;
  readonly peer: AdmittedPeer;
}

/** The way streams reach another sidecar: many in one tunnel, or one TLS connection each. */
export interface Transport {
  /**
   * Opens a stream; resolves when the peer has said yes. Until then nothing reached its application, so another endpoint may
   * be tried, except where the error says that nobody knows.
   *
   * @param signal gives up
   * @throws OpenError
   */
  open(request: StreamRequest, signal: AbortSignal): Promise<OpenStream>;
  /** Ends what is kept between streams. */
  close(): void;
}

/** Why a stream could not be opened, and what that means for the next attempt. */
export class OpenError extends Error {
  readonly reason: RefusalReason;
  /** Whether another attempt, on another endpoint, makes sense: not after a denial. */
  readonly retry: boolean;
  /** Whether this endpoint is to be left alone for a while. */
  readonly eject: boolean;

  constructor(reason: RefusalReason, message: string, next: NextAttempt) {
    super(message);
    this.name = 'OpenError';
    this.reason = reason;
    this.retry = next.retry;
    this.eject = next.eject;
  }

  /** Something is wrong with this endpoint: another may do better. */
  static elsewhere(reason: RefusalReason, message: string): OpenError {
    return new OpenError(reason, message, { retry: true, eject: true });
  }
}
