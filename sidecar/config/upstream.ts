import type { ServiceIdentity } from '#core/spiffe-id.ts';

/** A loopback port of this pod that leads to one service, from `mesh/upstreams` or the own MeshService. */
export interface Upstream {
  readonly localPort: number;
  readonly service: ServiceIdentity;
  /** Port of that service; its first one when absent. */
  readonly port?: number;
}
