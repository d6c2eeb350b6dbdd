import type { Clock } from '#kube/clock.ts';
import { HEADLESS_LABEL } from '#kube/endpoint-slices.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import type { Logger } from '#kube/log.ts';
import { Reflector } from '#kube/reflector.ts';

import { canonicalAddress } from './catalog-entry.ts';
import type { SliceApi } from './slice-api.ts';
import { SLICES, compactSlice } from './slice.ts';

interface HeadlessPods {
  readonly namespace: string;
  readonly service: string;
  /** Whether ready or not: members of a StatefulSet look for one another before they are. */
  readonly addresses: readonly string[];
  /** Outside of pods several services share an address: only these ports there are this one's. */
  readonly outside?: { readonly ports: ReadonlySet<number>; readonly peerPort: number };
}

/** A headless Service that the pod at an address belongs to. */
export interface PodService {
  readonly namespace: string;
  readonly service: string;
  /** Port of the sidecar there, where it is not the usual one. */
  readonly peerPort?: number;
}

export interface PodIndexOptions {
  readonly api: SliceApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly forbiddenCapMs?: number;
}

/** Addresses of the pods of headless Services. Costs memory by their number, so it is begun only when an address needs it. */
export class PodIndex {
  readonly #reflector: Reflector<EndpointSlice, HeadlessPods>;
  readonly #slicesOf = new Map<string, Set<string>>();
  readonly #known = new Map<string, HeadlessPods>();

  constructor(options: PodIndexOptions) {
    this.#reflector = new Reflector<EndpointSlice, HeadlessPods>({
      ...options,
      type: SLICES,
      selection: { labelSelector: HEADLESS_LABEL },
      transform: (slice) => {
        const { namespace, service, all, ports, peerPort } = compactSlice(slice);
        const pods = { namespace, service, addresses: all };
        return peerPort === undefined
          ? pods
          : { ...pods, outside: { ports: new Set(ports.values()), peerPort } };
      },
      onChange: (items, changed) => {
        for (const key of changed) this.#set(key, items.get(key));
      },
    });
  }

  /** Begins; a second call does nothing. */
  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
  }

  /** Resolves when all were read once, after `start`. Never rejects. */
  get synced(): Promise<void> {
    return this.#reflector.synced;
  }

  get size(): number {
    return this.#slicesOf.size;
  }

  /** The headless Services a pod belongs to; outside of pods, those whose port there it is. */
  *servicesOf(address: string, port: number): Iterable<PodService> {
    for (const key of this.#slicesOf.get(canonicalAddress(address)) ?? []) {
      const pods = this.#known.get(key);
      if (!pods || pods.outside?.ports.has(port) === false) continue;
      const { namespace, service, outside } = pods;
      yield { namespace, service, ...(outside ? { peerPort: outside.peerPort } : {}) };
    }
  }

  #set(key: string, pods: HeadlessPods | undefined): void {
    for (const address of this.#known.get(key)?.addresses ?? []) {
      const keys = this.#slicesOf.get(address);
      keys?.delete(key);
      if (keys?.size === 0) this.#slicesOf.delete(address);
    }
    if (!pods) {
      this.#known.delete(key);
      return;
    }
    this.#known.set(key, pods);
    for (const address of pods.addresses) {
      const keys = this.#slicesOf.get(address);
      if (keys) keys.add(key);
      else this.#slicesOf.set(address, new Set([key]));
    }
  }
}
