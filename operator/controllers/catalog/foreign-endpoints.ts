import { canonicalAddress } from '#core/net/address.ts';
import type { KubeApi, ResourceType } from '#kube/api.ts';
import { SERVICE_NAME_LABEL, isReady } from '#kube/endpoint-slices.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import type { Service } from '#kube/types.ts';

export interface ForeignEndpointsDeps {
  readonly api: Pick<KubeApi, 'list'>;
  readonly slices: ResourceType<EndpointSlice>;
}

/** Slices of one Service that are read; a Service with more has endpoints enough to judge by. */
const MAX_SLICES = 50;
/** Services that are asked about in one turn; the others have theirs later. */
const MAX_ASKED = 50;

/**
 * Who is behind Services now, as Kubernetes sees it. Asked only before a Service becomes the mesh's, so it is asked for and not watched.
 * A question is answered `true`, which changes nothing, until {@link read} has brought the answer.
 */
export class ForeignEndpoints {
  readonly #deps: ForeignEndpointsDeps;
  readonly #ready = new Map<string, ReadonlySet<string>>();
  readonly #asked = new Map<string, Service>();

  constructor(deps: ForeignEndpointsDeps) {
    this.#deps = deps;
  }

  /** Whether a Service leads to ready endpoints at other addresses than these. */
  has(service: Service, own: ReadonlySet<string>): boolean {
    const ready = this.#ready.get(service.metadata.name);
    if (!ready) {
      if (this.#asked.size < MAX_ASKED) this.#asked.set(service.metadata.name, service);
      return true;
    }
    return [...ready].some((address) => !own.has(address));
  }

  /**
   * Reads what was asked for since.
   *
   * @returns whether anything was
   * @throws KubeError, KubeConnectionError
   */
  async read(signal: AbortSignal): Promise<boolean> {
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { metadata } of asked)
      this.#ready.set(metadata.name, await this.#readyBehind(metadata, signal));
    return asked.length > 0;
  }

  async #readyBehind(
    { namespace = '', name }: Service['metadata'],
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const { api, slices } = this.#deps;
    const selection = { namespace, labelSelector: `${SERVICE_NAME_LABEL}=${name}`, limit: MAX_SLICES };
    const { items } = await api.list(slices, selection, { signal });
    const ready = items.flatMap(({ endpoints }) => endpoints.filter(isReady));
    return new Set(ready.flatMap(({ addresses }) => addresses.slice(0, 1).map(canonicalAddress)));
  }
}
