import { MESH_CONFIGS } from '#kube/types.ts';

import { StatusWriter } from '../../control-loop/status-writer.ts';
import type { MakeDuty } from '../context.ts';
import { MeshConfigController } from './controller.ts';

/** Keeps the MeshConfig and its status. */
export const meshConfigDuty: MakeDuty = (context) =>
  new MeshConfigController({
    ...context,
    log: context.log.child({ controller: 'mesh-config' }),
    meshConfigs: context.caches.meshConfigs,
    status: new StatusWriter(MESH_CONFIGS, context),
    given: context.config.meshConfig,
  });
