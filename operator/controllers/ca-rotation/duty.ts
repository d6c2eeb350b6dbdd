import { RootSuccession } from '../../ca/succession.ts';
import type { MakeDuty } from '../context.ts';
import { CaRotationController } from './controller.ts';
import { Survey } from './survey.ts';

/** Replaces the root: in time, on request, or when another authority is chosen. */
export const caRotationDuty: MakeDuty = (context) =>
  new CaRotationController({
    ...context,
    log: context.log.child({ controller: 'ca-rotation' }),
    meshConfigs: context.caches.meshConfigs,
    survey: new Survey({ ...context, pods: context.caches.pods, ask: context.ask('trust') }),
    succession: new RootSuccession({ ...context, namespace: context.meshNamespace }),
  });
