import { canonicalAddress } from '#core/net/address.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { SERVICE_NAME_LABEL } from '#kube/endpoint-slices.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import type { ResourceType } from '#kube/api.ts';
import { isNotFound } from '#kube/errors.ts';
import { NODES } from '#kube/types.ts';
import type { Service } from '#kube/types.ts';

import type { ObjectCache } from '../../control-loop/cache.ts';

export interface ReservedAddressesDeps {
  readonly api: Pick<KubeApi, 'list'>;
  readonly clock: Clock;
  readonly slices: ResourceType<EndpointSlice>;
  readonly services: ObjectCache<Service>;
}

/** Nodes come and go rarely; an address of one is not taken for a machine's for longer than this, milliseconds. */
const FRESH_MS = 30_000;

/**
 * Addresses that belong to the cluster itself: nodes, the API server, Services. A port of a node may lead into a pod (NodePort,
 * hostPort), so that whoever answers there proves nothing about the node's address.
 */
export class ReservedAddresses {
  readonly #deps: ReservedAddressesDeps;
  #known: Promise<ReadonlySet<string>> | undefined;
  #readAt = -Infinity;

  constructor(deps: ReservedAddressesDeps) {
    this.#deps = deps;
  }

  /** @throws KubeError, KubeConnectionError when the API server does not say which addresses there are */
  async has(address: string): Promise<boolean> {
    const { clock, services } = this.#deps;
    if (!this.#known || clock.now() - this.#readAt > FRESH_MS) {
      this.#readAt = clock.now();
      this.#known = this.#read();
      this.#known.catch(() => (this.#known = undefined));
    }
    const wanted = canonicalAddress(address);
    if ((await this.#known).has(wanted)) return true;
    for (const service of services.all()) if (addressesOf(service).includes(wanted)) return true;
    return false;
  }

  async #read(): Promise<ReadonlySet<string>> {
    const { api, slices } = this.#deps;
    const selection = { namespace: 'default', labelSelector: `${SERVICE_NAME_LABEL}=kubernetes` };
    const [nodes, apiServer] = await Promise.all([
      api.list(NODES).catch(none),
      api.list(slices, selection).catch(none),
    ]);
    return new Set(
      [
        ...nodes.items.flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)),
        ...apiServer.items.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses)),
      ].map(canonicalAddress),
    );
  }
}

/** The API server of `mesh dev` has no nodes. */
function none(error: unknown): { readonly items: readonly never[] } {
  if (isNotFound(error)) return { items: [] };
  throw error;
}

function addressesOf({ spec, status }: Service): readonly string[] {
  const { clusterIP, clusterIPs = [], externalIPs = [] } = spec ?? {};
  const balancers = (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
  return [clusterIP, ...clusterIPs, ...externalIPs, ...balancers]
    .filter((address) => address !== undefined)
    .map(canonicalAddress);
}
