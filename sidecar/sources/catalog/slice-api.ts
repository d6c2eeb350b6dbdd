import type { KubeObject } from '#core/resource.ts';
import type { KubeApi, ListPage, RequestOptions, ResourceType, Selection, WatchEvent } from '#kube/api.ts';
import { readCapabilities } from '#kube/cluster/capabilities.ts';
import { endpointSlices } from '#kube/endpoint-slices.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import { isNotFound } from '#kube/errors.ts';

/**
 * EndpointSlices in whichever version the server offers: v1, or v1beta1 before Kubernetes 1.21. The server is asked before
 * the first list, and again when it no longer knows what it was asked for, since it may have been upgraded meanwhile.
 */
export class SliceApi implements Pick<KubeApi, 'list' | 'watch'> {
  readonly #api: KubeApi;
  #type: Promise<ResourceType<EndpointSlice>> | undefined;

  constructor(api: KubeApi) {
    this.#api = api;
  }

  async list<T extends KubeObject>(
    _type: ResourceType<T>,
    selection?: Selection & { readonly limit?: number; readonly continueToken?: string },
    options?: RequestOptions,
  ): Promise<ListPage<T>> {
    try {
      return await this.#api.list(await this.#offered<T>(), selection, options);
    } catch (error) {
      if (isNotFound(error)) this.#type = undefined;
      throw error;
    }
  }

  async *watch<T extends KubeObject>(
    _type: ResourceType<T>,
    selection: Selection & { readonly resourceVersion: string; readonly timeoutSeconds: number },
    options?: RequestOptions,
  ): AsyncIterable<WatchEvent<T>> {
    yield* this.#api.watch(await this.#offered<T>(), selection, options);
  }

  /** The callers' type parameter is that of an EndpointSlice; the class is asked for nothing else. */
  async #offered<T extends KubeObject>(): Promise<ResourceType<T>> {
    this.#type ??= readCapabilities(this.#api).then(endpointSlices);
    try {
      return (await this.#type) as ResourceType as ResourceType<T>;
    } catch (error) {
      this.#type = undefined;
      throw error;
    }
  }
}
