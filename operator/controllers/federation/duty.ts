import type { MakeDuty } from '../context.ts';
import { httpsBundleSource } from './bundle-source.ts';
import { FederationController } from './controller.ts';

/** Fetches the bundles of federated trust domains. */
export const federationDuty: MakeDuty = (context) =>
  new FederationController({
    ...context,
    random: Math.random,
    log: context.log.child({ controller: 'federation' }),
    meshConfigs: context.caches.meshConfigs,
    source: httpsBundleSource(context.clock),
  });
