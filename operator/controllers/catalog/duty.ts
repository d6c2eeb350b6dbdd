import type { ControllerContext, MakeDuty } from '../context.ts';
import { CatalogController } from './controller.ts';
import { RegistrationProofs } from './registration-proofs.ts';
import { ReservedAddresses } from './reserved-addresses.ts';

/** Publishes which address means which service. */
export const catalogDuty: MakeDuty = (context) =>
  new CatalogController({
    ...context,
    log: context.log.child({ controller: 'catalog' }),
    meshServices: context.caches.meshServices,
    pods: context.caches.pods,
    services: context.caches.services,
    entries: context.caches.catalogEntries,
    proofs: registrationProofs(context),
  });

/** Which processes outside of pods are at the addresses they name; undefined where none may join: there is no right to look either. */
function registrationProofs(context: ControllerContext): RegistrationProofs | undefined {
  const { config, caches, log, scope, ask } = context;
  if (config.outsidePort === undefined) return undefined;
  const reserved = new ReservedAddresses({ ...context, services: caches.services });
  return new RegistrationProofs({
    ...context,
    log: log.child({ controller: 'catalog' }),
    pods: caches.pods,
    ask: ask('trust'),
    scope,
    isReserved: (address) => reserved.has(address),
  });
}
