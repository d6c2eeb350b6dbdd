import type { Svid } from '#pki/svid.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';

/** What this sidecar shows to its peers and whom it trusts, at one moment. Never changes: a change is a new snapshot. */
export interface IdentitySnapshot {
  readonly svid: Svid;
  readonly bundle: TrustBundle;
  /** Grows with every change of certificate or bundle; TLS contexts are kept by it. */
  readonly version: number;
}

/** Where the data plane gets its certificate and trust from. */
export interface IdentitySource {
  /** Undefined until the first certificate and the first bundle are there; then always the last good ones. */
  current(): IdentitySnapshot | undefined;
  /**
   * Calls `listener` after every change of certificate or bundle.
   *
   * @returns stops the calls
   */
  onChange(listener: () => void): () => void;
}
