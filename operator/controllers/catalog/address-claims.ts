import { objectKey } from '#core/resource.ts';
import type { Pod } from '#kube/types.ts';

import type { Change, ObjectCache } from '../../control-loop/cache.ts';
import { isInstance, isRegistration, podAddresses, sidecarPort } from '../../resources/pod.ts';

/**
 * Who claims which address, over all namespaces. What claims are worth is decided elsewhere; here it shows when there are two.
 * Processes outside of pods share their machine's address, so theirs are kept with the port of their sidecar.
 */
export class AddressClaims {
  readonly #claims = new Map<string, Map<string, Pod>>();
  readonly #isVouched: (pod: Pod) => boolean;

  /** @param isVouched whether a pod's addresses are its own on somebody's word other than its author's */
  constructor(isVouched: (pod: Pod) => boolean) {
    this.#isVouched = isVouched;
  }

  /**
   * Follows a cache.
   *
   * @param onChange told the namespaces of all that claim an address about which something changed
   * @returns ends it
   */
  follow(pods: ObjectCache<Pod>, onChange: (namespace: string) => void): () => void {
    for (const pod of pods.all()) this.#set({ key: objectKey(pod), after: pod });
    return pods.subscribe((changes) => {
      const touched = new Set(changes.flatMap((change) => this.#set(change)));
      for (const namespace of touched) onChange(namespace);
    });
  }

  /** Looks at a pod's claims again. @returns namespaces for which something may have changed */
  refresh(pod: Pod): readonly string[] {
    return this.#set({ key: objectKey(pod), before: pod, after: pod });
  }

  /** What a pod's claim on an address is worth: a pod that is leaving yields to one that is not, and a process outside of pods to any pod. */
  holds(pod: Pod, address: string): 'alone' | 'disputed' | 'no' {
    const key = objectKey(pod);
    const others = [...(this.#claims.get(claimKey(pod, address)) ?? [])].filter(([one]) => one !== key);
    if (isRegistration(pod) && (this.#claims.get(address)?.size ?? 0) > 0) return 'no';
    const rivals = others.filter(([, other]) => isInstance(other));
    if (rivals.length === 0) return 'alone';
    return isInstance(pod) ? 'disputed' : 'no';
  }

  #set({ key, before, after }: Change<Pod>): readonly string[] {
    const touched = new Set<string>();
    const note = (claim: string): void => {
      for (const other of this.#claims.get(claim)?.values() ?? [])
        touched.add(other.metadata.namespace ?? '');
    };
    for (const claim of before ? claimsOf(before) : []) {
      note(claim);
      const claimants = this.#claims.get(claim);
      claimants?.delete(key);
      if (claimants?.size === 0) this.#claims.delete(claim);
    }
    for (const claim of after && this.#isVouched(after) ? claimsOf(after) : []) {
      const claimants = this.#claims.get(claim) ?? new Map<string, Pod>();
      if (after) claimants.set(key, after);
      this.#claims.set(claim, claimants);
      note(claim);
    }
    return [...touched];
  }
}

function claimsOf(pod: Pod): readonly string[] {
  return podAddresses(pod).map((address) => claimKey(pod, address));
}

function claimKey(pod: Pod, address: string): string {
  return isRegistration(pod) ? `${address} ${sidecarPort(pod) ?? ''}` : address;
}
