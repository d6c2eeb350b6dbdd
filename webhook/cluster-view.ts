import type { RawIntention } from '#core/policy/rule.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import type { MeshService } from '#core/model/mesh-service.ts';

/**
 * What admission knows of the cluster, answered at once from caches: an admission that asked the API server would hang
 * when the API server hangs on the admission.
 */
export interface ClusterView {
  /** Undefined when the namespace is not known (yet). */
  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined;
  intentions(namespace: string): readonly RawIntention[];
  meshServices(namespace: string): readonly MeshService[];
  /** Undefined while the MeshConfig has not been read. */
  settings(): MeshSettings | undefined;
}
