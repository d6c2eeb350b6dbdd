import type { ServiceIdentity, SpiffeId, TrustDomain } from '#core/spiffe-id.ts';

/**
 * The seam for certificate authorities: the builtin one, Vault, step-ca and whatever else holds a signing key, or the way
 * to one. Who may have which certificate is decided before a provider is asked, and what it returns is checked after
 * ({@link file://./self-check.ts}), so a faulty provider harms nobody. What every provider must do is tested by
 * {@link file://./provider-conformance.suite.ts}; docs/ca-providers.md shows how to write one.
 *
 * Errors are sentences for people. No error, log line or fault ever holds a private key, a token or a password.
 */
export interface CaProvider {
  /** As in MeshConfig `spec.ca.provider`. */
  readonly name: string;

  /**
   * Gets ready to sign: finds the root, or makes it. Safe when several replicas do it at once: all end with the same root.
   *
   * @param signal gives up; the promise is then rejected
   * @throws CaStateError when people must act: what is there is broken, or access is refused. Never makes a new root then.
   */
  start(signal?: AbortSignal): Promise<void>;

  /**
   * Looks whether {@link start} would work, changing nothing: whether it is there, lets us in, and has what it needs.
   *
   * @throws Error that says what to change
   */
  check(signal: AbortSignal): Promise<void>;

  /** The roots workloads must trust, the one that signs first. Only after {@link start}. */
  roots(): Promise<readonly CaRoot[]>;

  /**
   * Signs a public key: asks nothing, decides nothing, and adds no name of its own.
   *
   * @throws Error when it cannot be signed now
   */
  sign(request: CertificateRequest, signal?: AbortSignal): Promise<SignedCertificate>;

  /** Why signing would not work now or soon, as a sentence for people; undefined when all is well. Never rejects. */
  fault(): Promise<string | undefined>;

  /**
   * The signature of the root that signs now on a new root's key, for rotation without interruption: whoever trusts only
   * the old root then trusts leaves of the new one, when they come with this certificate. Absent where a provider cannot.
   *
   * @param newRootPem a self-signed root
   * @returns an intermediate certificate with the new root's name and key, and what leads from it to the old root, PEM;
   *   undefined where the key that signs may not sign authorities
   */
  crossSign?(newRootPem: string, signal?: AbortSignal): Promise<string | undefined>;

  /** Ends timers, requests under way and sessions. What was signed stays valid. Idempotent; nothing else works after it. */
  stop(): Promise<void>;
}

export interface CaRoot {
  readonly pem: string;
  /** Whether new certificates are signed by it. */
  readonly active: boolean;
  /** Whether the mesh makes another one when this grows old: its key is here, and nobody else looks after it. */
  readonly replaceable?: boolean;
}

/** A public key whose owner has proven to have the private one. */
export interface RequestedKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /**
   * The certificate request that proved it, PEM, for authorities that want to see the proof. Its names are what the asker
   * wrote: a provider must not let them into the certificate.
   */
  readonly csrPem: string;
}

interface CommonRequest extends RequestedKey {
  /** Milliseconds from now; shorter where the issuer ends before. */
  readonly ttlMs: number;
}

export interface WorkloadRequest extends CommonRequest {
  readonly kind: 'workload';
  readonly who: ServiceIdentity;
  readonly spiffeId: SpiffeId;
  readonly trustDomain: TrustDomain;
}

/** An HTTPS server's certificate. */
export interface ServingRequest extends CommonRequest {
  readonly kind: 'serving';
  readonly dnsNames: readonly string[];
}

export type CertificateRequest = WorkloadRequest | ServingRequest;

export interface SignedCertificate {
  readonly leafPem: string;
  /** Intermediates between leaf and root, leaf's issuer first; empty when a root signed it. */
  readonly intermediatesPem: string;
}

/** What the authority has stored is broken or lost. People must act: waiting does not help, and a new root that nobody trusts would cut every workload off. */
export class CaStateError extends Error {
  override readonly name = 'CaStateError';
}
