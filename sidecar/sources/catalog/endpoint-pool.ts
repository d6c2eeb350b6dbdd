import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import { ServiceEndpoints } from './service-endpoints.ts';
import type { SliceApi } from './slice-api.ts';

export interface EndpointPoolOptions {
  readonly api: SliceApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly forbiddenCapMs?: number;
  /** Default five minutes. */
  readonly idleMs?: number;
}

const IDLE_MS = 300_000;

/** The endpoints of every Kubernetes Service that is in use; one watch for each, however many connections. */
export class EndpointPool {
  readonly #options: EndpointPoolOptions;
  readonly #inUse = new Map<string, ServiceEndpoints>();

  constructor(options: EndpointPoolOptions) {
    this.#options = options;
  }

  /** Services that are watched now. */
  get size(): number {
    return this.#inUse.size;
  }

  get names(): readonly string[] {
    return [...this.#inUse.keys()];
  }

  /** The endpoints of a Kubernetes Service; the caller releases them once. */
  acquire(namespace: string, name: string): ServiceEndpoints {
    const key = `${namespace}/${name}`;
    let endpoints = this.#inUse.get(key);
    if (!endpoints) {
      const { idleMs = IDLE_MS, ...rest } = this.#options;
      endpoints = new ServiceEndpoints({
        ...rest,
        namespace,
        name,
        idleMs,
        onIdle: () => this.#inUse.delete(key),
      });
      this.#inUse.set(key, endpoints);
    }
    endpoints.acquire();
    return endpoints;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#inUse.values()].map((endpoints) => endpoints.stop()));
  }
}
