import type { Decision } from '#core/policy/policy.ts';
import type { SpiffeId } from '#core/spiffe-id.ts';

/** Where the inbound side asks whether a peer may connect to this sidecar's own service. */
export interface PolicySource {
  /** Decides with the rules as they are; before they were read once the answer is `NO_POLICY_DECISION`. Never throws. */
  decide(source: SpiffeId, now: number): Decision;
  /**
   * Calls `listener` whenever an answer of `decide` may have changed: rules or the default action changed, **or a rule ran
   * out** (`Policy.nextExpiry`). The listener then asks again for every open connection.
   *
   * @returns stops the calls
   */
  onChange(listener: () => void): () => void;
}
