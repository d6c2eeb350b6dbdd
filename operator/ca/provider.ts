import type { ServiceIdentity, SpiffeId, TrustDomain } from '#core/spiffe-id.ts';

/**
 * The seam for certificate authorities: the builtin one, and later Vault and others. A provider holds a signing key, or
 * the way to one, and makes certificates of the kinds the mesh needs. Who may have which certificate is decided before it is
 * asked, and what it returns is checked after ({@link file://./self-check.ts}), so a faulty provider harms nobody.
 */
export interface CaProvider {
  /** As in MeshConfig `spec.ca.provider`. */
  readonly name: string;

  /**
   * Gets ready to sign: finds the root, or makes it. Safe when several replicas do it at once.
   *
   * @throws CaStateError when what is there is broken; never makes a new root then.
   */
  start(signal?: AbortSignal): Promise<void>;

  /** The roots workloads shall believe, the one that signs first. */
  roots(): Promise<readonly CaRoot[]>;

  /** Signs a public key; asks nothing and decides nothing. */
  sign(request: CertificateRequest): Promise<SignedCertificate>;

  /** Why signing would not work now, as a sentence for people; undefined when all is well. */
  fault(): Promise<string | undefined>;

  /**
   * The old root's signature on a new root's key, for rotation without interruption. Absent where a provider cannot.
   *
   * @param newRootPem a self-signed root
   * @returns an intermediate certificate, PEM
   */
  crossSign?(newRootPem: string): Promise<string>;
}

export interface CaRoot {
  readonly pem: string;
  /** Whether new certificates are signed by it. */
  readonly active: boolean;
}

interface CommonRequest {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
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

/** What the authority has stored is broken or lost. People must act; retrying is useless, and a new root would cut every workload off. */
export class CaStateError extends Error {
  override readonly name = 'CaStateError';
}
