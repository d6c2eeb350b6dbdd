import type { Fault } from '#core/fault.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { RawIntention } from '#core/policy/rule.ts';

/**
 * What a check may look at besides the object: the other objects of its namespace, and of no other. Who asks admission is not
 * authenticated, and who writes one object need not be allowed to read those of other namespaces.
 */
export interface CheckContext {
  readonly meshNamespace: string;
  /** Undefined while the MeshConfig has not been read. */
  readonly trustDomain: string | undefined;
  /** Unix time, milliseconds. */
  readonly now: number;
  readonly intentions: () => readonly RawIntention[];
  readonly meshServices: () => readonly MeshService[];
}

/** What a check of one kind of resource finds. */
export interface Finding {
  readonly faults: readonly Fault[];
  readonly warnings: readonly string[];
}
