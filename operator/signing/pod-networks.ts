import type { Pod } from '#kube/types.ts';

import type { ObjectCache } from '../control-loop/cache.ts';
import { memberOf } from '../resources/member.ts';
import type { MemberRules } from '../resources/member.ts';
import { podAddresses } from '../resources/pod.ts';
import { networkOf } from '#core/net/network-of.ts';

/** The networks of the mesh's members: for the ports that are there for them, everybody else comes after. A label makes no pod one. */
export class PodNetworks {
  /** How many pods there are in each; an IPv6 network has many. */
  readonly #pods = new Map<string, number>();

  readonly #rules: MemberRules;

  /** @param pods those that are labelled as injected, and registrations of processes outside of pods */
  constructor(pods: ObjectCache<Pod>, rules: MemberRules) {
    this.#rules = rules;
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

  #count(pod: Pod, by: 1 | -1): void {
    if (!memberOf(pod, this.#rules)) return;
    for (const network of new Set(podAddresses(pod).map(networkOf))) {
      const count = (this.#pods.get(network) ?? 0) + by;
      if (count > 0) this.#pods.set(network, count);
      else this.#pods.delete(network);
    }
  }
}
