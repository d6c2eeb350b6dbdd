import type { ServiceIdentity } from '#core/spiffe-id.ts';

/** The service this pod stands for, as the inbound side needs it. */
export interface OwnService {
  readonly identity: ServiceIdentity;
  /**
   * Ports of the pod that peers may connect to: `spec.ports` of the own MeshService, else the target ports of its backing
   * Services. Empty when none is known, and then every stream is refused.
   */
  declaredPorts(): ReadonlySet<number>;
  /** Where a peer that names no port is led: the first declared port; undefined when none is declared. */
  defaultPort(): number | undefined;
  /** `strict` while unknown. */
  mtls(): 'strict' | 'permissive';
  /**
   * Calls `listener` after any of the above changed.
   *
   * @returns stops the calls
   */
  onChange(listener: () => void): () => void;
}
