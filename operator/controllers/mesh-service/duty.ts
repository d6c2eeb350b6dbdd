import { MESH_SERVICES } from '#kube/types.ts';

import { StatusWriter } from '../../control-loop/status-writer.ts';
import type { MakeDuty } from '../context.ts';
import { MeshServiceController } from './controller.ts';

/** Makes MeshServices of what runs, and keeps the status of all. */
export const meshServiceDuty: MakeDuty = (context) =>
  new MeshServiceController({
    ...context,
    log: context.log.child({ controller: 'mesh-service' }),
    meshServices: context.caches.meshServices,
    pods: context.caches.pods,
    status: new StatusWriter(MESH_SERVICES, context),
  });
