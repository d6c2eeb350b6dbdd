import { endpointSlices } from '#kube/endpoint-slices.ts';

import { Controller } from '../control-loop/controller.ts';
import { WebhookGracePeriod } from '../control-loop/webhook-grace-period.ts';
import { memberRules } from '../resources/member.ts';
import { accessDuty } from './access/duty.ts';
import { caRotationDuty } from './ca-rotation/duty.ts';
import { catalogDuty } from './catalog/duty.ts';
import { Reaches } from './catalog/reaches.ts';
import type { ControllerContext, ControllersDeps, MakeDuty } from './context.ts';
import { federationDuty } from './federation/duty.ts';
import { intentionDuty } from './intention/duty.ts';
import { jobFinisherDuty } from './job-finisher/duty.ts';
import { meshConfigDuty } from './mesh-config/duty.ts';
import { meshServiceDuty } from './mesh-service/duty.ts';
import { leftOutDuty, missedInjectionDuty } from './missed-injection/duty.ts';
import { registrationsDuty } from './registrations/duty.ts';
import { sidecarAsker } from './sidecar-asker.ts';
import { webhookRegistrationDuty } from './webhook-registration/duty.ts';

const DUTIES: readonly MakeDuty[] = [
  meshConfigDuty,
  webhookRegistrationDuty,
  accessDuty,
  catalogDuty,
  meshServiceDuty,
  intentionDuty,
  federationDuty,
  leftOutDuty,
  jobFinisherDuty,
  caRotationDuty,
  missedInjectionDuty,
  registrationsDuty,
];

/** The leader's controllers, made again for each term. */
export function createControllers(deps: ControllersDeps): readonly Controller[] {
  const { clock, log, metrics } = deps;
  const context: ControllerContext = {
    ...deps,
    meshNamespace: deps.config.meshNamespace,
    scope: deps.settings.scope,
    rules: memberRules(deps),
    slices: endpointSlices(deps.capabilities),
    reaches: new Reaches(),
    ask: sidecarAsker(deps),
  };
  const patience = new WebhookGracePeriod({ clock, log });
  return DUTIES.map((make) => make(context))
    .filter((duty) => duty !== undefined)
    .map((duty) => new Controller(duty, { clock, log, metrics, patience }));
}
