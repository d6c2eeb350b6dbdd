import type { SpiffeId } from '#core/spiffe-id.ts';

import type { AdmittedPeer } from '../connection/admit.ts';
import type { Leg } from '../connection/leg.ts';
import type { RefusalReason } from '../connection/refusal.ts';
import type { StreamHeader } from './stream-header.ts';

/** A stream that is wanted: to whom, and for what. */
export interface StreamRequest {
  /** IP of the pod; its sidecar's port is the transport's own matter. */
  readonly address: string;
  /** Who must answer, exactly. */
  readonly expect: SpiffeId;
  readonly header: StreamHeader;
}

/** A stream that the peer consented to: bytes of the application may flow. */
export interface OpenStream {
  readonly leg: Leg;
  readonly peer: AdmittedPeer;
}

/** The way streams reach another sidecar: one TLS connection each today, many in one tunnel later. */
export interface Transport {
  /**
   * Opens a stream; resolves when the peer has said yes, so until then nothing of the application was sent and another
   * endpoint may be tried.
   *
   * @param signal gives up
   * @throws OpenError
   */
  open(request: StreamRequest, signal: AbortSignal): Promise<OpenStream>;
}

/** Why a stream could not be opened, and what that means for the next attempt. */
export class OpenError extends Error {
  readonly reason: RefusalReason;
  /** Whether another attempt, on another endpoint, makes sense: not after a denial. */
  readonly retry: boolean;
  /** Whether this endpoint is to be left alone for a while. */
  readonly eject: boolean;

  constructor(
    reason: RefusalReason,
    message: string,
    next: { readonly retry: boolean; readonly eject: boolean },
  ) {
    super(message);
    this.name = 'OpenError';
    this.reason = reason;
    this.retry = next.retry;
    this.eject = next.eject;
  }
}
