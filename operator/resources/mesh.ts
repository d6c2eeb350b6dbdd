import type { Intention } from '#core/model/intention.ts';
import type { MeshService } from '#core/model/mesh-service.ts';

import { pruneMeta } from './pod.ts';

/** Keeps what the operator needs of an Intention. Transform of the Intentions' reflector. */
export function pruneIntention({ metadata, spec, status }: Intention): Intention {
  return {
    metadata: pruneMeta(metadata),
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { status }),
  };
}

/** Keeps what the operator needs of a MeshService: all but its configuration, which may be large. Transform of the MeshServices' reflector. */
export function pruneMeshService({ metadata, spec, status }: MeshService): MeshService {
  const kept = Object.entries(spec ?? {}).filter(([field]) => field !== 'config');
  return {
    metadata: pruneMeta(metadata),
    ...(spec === undefined ? {} : { spec: Object.fromEntries(kept) }),
    ...(status === undefined ? {} : { status }),
  };
}
