import type { Clock } from '#kube/clock.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import type { Logger } from '#kube/log.ts';
import { Reflector } from '#kube/reflector.ts';

import { canonicalAddress } from './catalog-entry.ts';
import type { SliceApi } from './slice-api.ts';
import { SLICES, compactSlice } from './slice.ts';

/** The label Kubernetes puts on the slices of headless Services. */
const HEADLESS_SELECTOR = 'service.kubernetes.io/headless';

interface HeadlessPods {
  readonly namespace: string;
  readonly service: string;
  /** Whether ready or not: members of a StatefulSet look for one another before they are. */
  readonly addresses: readonly string[];
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
      selection: { labelSelector: HEADLESS_SELECTOR },
      transform: (slice) => {
        const { namespace, service, all } = compactSlice(slice);
        return { namespace, service, addresses: all };
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

  /** The headless Services a pod belongs to. */
  *servicesOf(address: string): Iterable<{ readonly namespace: string; readonly service: string }> {
    for (const key of this.#slicesOf.get(canonicalAddress(address)) ?? []) {
      const pods = this.#known.get(key);
      if (pods) yield pods;
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
