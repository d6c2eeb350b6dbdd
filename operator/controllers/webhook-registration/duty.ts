import type { MakeDuty } from '../context.ts';
import { WebhookRegistrationController } from './controller.ts';

/** Keeps both webhook configurations. */
export const webhookRegistrationDuty: MakeDuty = (context) =>
  new WebhookRegistrationController({
    ...context,
    log: context.log.child({ controller: 'webhook-registration' }),
    excludedNamespaces: context.config.excludedNamespaces,
    meshConfigs: context.caches.meshConfigs,
    mutating: context.caches.mutatingWebhooks,
    validating: context.caches.validatingWebhooks,
    matchConditions: context.capabilities.matchConditions,
  });
