import type { RawIntention } from '#core/policy/rule.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import type { MeshService } from '#core/model/mesh-service.ts';

/**
 * What one review knows of the cluster: what was asked for it beforehand, from caches. An admission that asked the API server
 * would hang when the API server hangs on the admission.
 */
export interface ClusterView {
  /** Undefined when the namespace is not known (yet). */
  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined;
  intentions(namespace: string): readonly RawIntention[];
  meshServices(namespace: string): readonly MeshService[];
  /** Undefined while the MeshConfig has not been read. */
  settings(): MeshSettings | undefined;
}

/** What a review needs to know: about one namespace, and of that only what the object in review touches. */
export interface ClusterQuestion {
  readonly namespace: string;
  /** MeshServices of these names. */
  readonly services?: readonly string[];
  /** MeshServices that one of these ServiceAccounts may be. */
  readonly serviceAccounts?: readonly string[];
  /** The spec of an Intention, for the Intentions with the same source and destination. */
  readonly intention?: unknown;
}

/** The answer, as data that can be sent from one thread to another. */
export interface ClusterFacts {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly intentions: readonly RawIntention[];
  readonly meshServices: readonly MeshService[];
  readonly settings: MeshSettings | undefined;
}

/**
 * Asks whoever holds the caches. The answer is small whatever the cluster holds.
 *
 * @throws Error when no answer comes in time
 */
export type LookUp = (question: ClusterQuestion) => Promise<ClusterView>;

/** Facts about one namespace as a view; about every other namespace it knows nothing. */
export function viewOf(facts: ClusterFacts): ClusterView {
  const here = (namespace: string): boolean => namespace === facts.namespace;
  return {
    namespaceLabels: (namespace) => (here(namespace) ? facts.labels : undefined),
    intentions: (namespace) => (here(namespace) ? facts.intentions : []),
    meshServices: (namespace) => (here(namespace) ? facts.meshServices : []),
    settings: () => facts.settings,
  };
}
