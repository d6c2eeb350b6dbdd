import { meshConfigFaults, meshConfigWarnings } from '#core/model/mesh-config-faults.ts';
import type { UncheckedObject } from './object.ts';
import type { Finding } from './finding.ts';

/** Checks the MeshConfig, and that a change of it keeps what identities are made of. */
export function checkMeshConfig(config: UncheckedObject, old: UncheckedObject | undefined): Finding {
  const faults = meshConfigFaults(config, old);
  return {
    faults,
    warnings: faults.length > 0 ? [] : meshConfigWarnings(config.spec ?? {}),
  };
}
