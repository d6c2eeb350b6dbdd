import type { MakeDuty } from '../context.ts';
import { JobFinisherController } from './controller.ts';

/** Ends the sidecars of Jobs whose containers have ended. */
export const jobFinisherDuty: MakeDuty = (context) =>
  new JobFinisherController({
    ...context,
    log: context.log.child({ controller: 'job-finisher' }),
    pods: context.caches.pods,
    tell: async (target) => void (await context.ask('finish')(target)),
  });
