import type { SpiffeId } from '#core/spiffe-id.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';

import type { AdmittedPeer } from './admit.ts';
import type { ConnectionRefusal } from '../refusals/refusal.ts';

/** A peer of a connection that lives longer than certificates do: it proves itself again, and goes on. */
export class LivingPeer implements AdmittedPeer {
  #proof: AdmittedPeer;

  constructor(first: AdmittedPeer) {
    this.#proof = first;
  }

  /** The newest proof of who it is. */
  get proof(): AdmittedPeer {
    return this.#proof;
  }

  get id(): SpiffeId {
    return this.#proof.id;
  }

  get notBefore(): number {
    return this.#proof.notBefore;
  }

  get notAfter(): number {
    return this.#proof.notAfter;
  }

  get shown(): readonly string[] {
    return this.#proof.shown;
  }

  fault(bundle: TrustBundle, now: number): ConnectionRefusal | undefined {
    return this.#proof.fault(bundle, now);
  }

  /** @returns false, and nothing changes, when the proof is of somebody else or ends no later */
  renew(proof: AdmittedPeer): boolean {
    if (proof.id !== this.id || proof.notAfter < this.notAfter) return false;
    this.#proof = proof;
    return true;
  }
}
