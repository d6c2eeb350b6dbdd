import type { MakeDuty } from '../context.ts';
import { AccessController } from './controller.ts';

/** Gives the accounts of members their rights. */
export const accessDuty: MakeDuty = (context) =>
  new AccessController({
    ...context,
    log: context.log.child({ controller: 'access' }),
    pods: context.caches.pods,
    namespaces: context.caches.namespaces,
    roleBindings: context.caches.roleBindings,
    clusterRoleBindings: context.caches.clusterRoleBindings,
  });
