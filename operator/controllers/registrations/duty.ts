import type { MakeDuty } from '../context.ts';
import { RegistrationsController } from './controller.ts';

/** Deletes registrations of processes that fell silent; only where processes outside of pods may join: there is no right to either. */
export const registrationsDuty: MakeDuty = ({ api, clock, log, caches, config }) =>
  config.outsidePort === undefined
    ? undefined
    : new RegistrationsController({
        ...{ api, clock, pods: caches.pods },
        log: log.child({ controller: 'registrations' }),
      });
