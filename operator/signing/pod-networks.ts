import type { Pod } from '#kube/types.ts';

import type { ObjectCache } from '../cache.ts';
import { networkOf } from '../server/network-of.ts';

/** The networks of the pods in a cache: for the ports that are there for them, everybody else comes after. */
export class PodNetworks {
  /** How many pods there are in each; an IPv6 network has many. */
  readonly #pods = new Map<string, number>();

  /** @param pods injected pods, and registrations of processes outside of pods */
  constructor(pods: ObjectCache<Pod>) {
    for (const pod of pods.all()) this.#count(pod, 1);
    pods.subscribe((changes) => {
      for (const { before, after } of changes) {
        if (before) this.#count(before, -1);
        if (after) this.#count(after, 1);
      }
    });
  }

  has(network: string): boolean {
    return this.#pods.has(network);
  }

  #count({ status }: Pod, by: 1 | -1): void {
    const { podIP, podIPs = [] } = status ?? {};
    const networks = [podIP, ...podIPs.map(({ ip }) => ip)].flatMap((ip) => (ip ? [networkOf(ip)] : []));
    for (const network of new Set(networks)) {
      const count = (this.#pods.get(network) ?? 0) + by;
      if (count > 0) this.#pods.set(network, count);
      else this.#pods.delete(network);
    }
  }
}
