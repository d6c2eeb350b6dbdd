import type { MakeDuty } from '../context.ts';
import { MissedInjectionController } from './controller.ts';
import { SYSTEM_NAMESPACES } from './decide.ts';
import { LeftOutController } from './left-out.ts';

/** Reports pods that injection left out. */
export const leftOutDuty: MakeDuty = ({ events, caches }) =>
  new LeftOutController({ events, pods: caches.leftOutPods });

/** Reports pods that asked for the mesh and missed injection; only where the server could let them pass. */
export const missedInjectionDuty: MakeDuty = ({ events, metrics, caches, config, meshNamespace }) =>
  caches.askingPods &&
  new MissedInjectionController({
    ...{ events, metrics },
    pods: caches.askingPods,
    excludedNamespaces: [...SYSTEM_NAMESPACES, meshNamespace, ...config.excludedNamespaces],
  });
