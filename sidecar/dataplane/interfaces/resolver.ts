import type { ServiceIdentity, SpiffeId } from '#core/spiffe-id.ts';

/** One pod that answers for a service: where its application listens. Its sidecar is at the same address. */
export interface Endpoint {
  /** IP of the pod, without brackets. */
  readonly address: string;
  /** Port of the application inside that pod: what the stream asks for. */
  readonly port: number;
  /** Port of its sidecar, where that is not the usual one: several share an address outside of pods. */
  readonly peerPort?: number;
}

/** A service of the mesh at one of its ports, with the pods that stand for it right now. */
export interface Target {
  readonly service: ServiceIdentity;
  /** Who the peer must prove to be, exactly. */
  readonly spiffeId: SpiffeId;
  /** Ready endpoints; empty when there are none. Cheap: called for every connection. */
  endpoints(): readonly Endpoint[];
  /**
   * Calls `listener` after the endpoints changed.
   *
   * @returns stops the calls
   */
  onChange(listener: () => void): () => void;
  /** The caller is done with this target. Called exactly once per target handed out; the watch behind it may then end. */
  release(): void;
}

export type Resolution =
  | { readonly kind: 'mesh'; readonly target: Target }
  /** Nothing of the mesh: the connection passes through untouched. */
  | { readonly kind: 'outside' }
  /** Cannot be said, or is in the mesh but leads nowhere: the connection is refused, never sent out in the clear. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** Where the outbound side asks what lies behind an address or a name. */
export interface Resolver {
  /**
   * What an application meant by `address:port`, the original destination of its connection: a Service's cluster IP or a pod's IP.
   * Answers when the endpoints have been read once, so the first call for a service may take a moment. Never rejects.
   */
  resolve(address: string, port: number): Promise<Resolution>;
  /**
   * A service by name, for explicit upstream ports. Never `outside`. Never rejects.
   *
   * @param port port of the service; its first one when absent
   */
  upstream(service: ServiceIdentity, port?: number): Promise<Resolution>;
}
