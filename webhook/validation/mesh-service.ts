import { meshServiceFaults, meshServiceWarnings } from '#core/model/mesh-service-faults.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { UncheckedObject } from './object.ts';
import type { CheckContext, Finding } from './finding.ts';

/** Checks a MeshService against itself and the other services of its namespace. */
export function checkMeshService(
  service: UncheckedObject,
  _old: UncheckedObject | undefined,
  { meshServices, meshNamespace }: CheckContext,
): Finding {
  const faults = meshServiceFaults(service, { meshNamespace });
  if (faults.length > 0) return { faults, warnings: [] };
  return {
    faults,
    warnings: meshServiceWarnings(service as MeshService, meshServices()),
  };
}
