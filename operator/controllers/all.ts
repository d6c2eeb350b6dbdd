import { MESH_CONFIGS, INTENTIONS, MESH_SERVICES } from '#kube/types.ts';
import type { KubeApi, ResourceType } from '#kube/api.ts';
import type { Capabilities } from '#kube/cluster/capabilities.ts';
import type { Clock } from '#base/clock.ts';
import { endpointSlices } from '#kube/endpoint-slices.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import type { Logger } from '#base/log.ts';
import type { OwnerReference } from '#core/resource.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { OPERATOR_SERVICE } from '#core/constants.ts';
import type { Svid } from '#pki/svid.ts';

import type { AuthorityWatch } from '../ca/authority-watch.ts';
import type { Authority } from '../ca/authority.ts';
import type { RootSlots } from '../ca/root-slots.ts';
import { RootSuccession } from '../ca/succession.ts';
import type { Caches } from '../control-loop/caches.ts';
import { askSidecar } from '../sidecar-commands/control-client.ts';
import type { ControlCommand, ControlTarget } from '../sidecar-commands/control-client.ts';
import type { OperatorConfig } from '../config/config.ts';
import { Controller } from '../control-loop/controller.ts';
import type { ControllerDuty } from '../control-loop/controller.ts';
import type { Events } from '../control-loop/events.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import { memberRules } from '../resources/member.ts';
import type { Settings } from '../config/settings.ts';
import { StatusWriter } from '../control-loop/status-writer.ts';
import type { AcceptedPaths } from '../webhooks/accepted-paths.ts';
import { WebhookGracePeriod } from '../control-loop/webhook-grace-period.ts';
import { AccessController } from './access/controller.ts';
import { CaRotationController } from './ca-rotation/controller.ts';
import { Survey } from './ca-rotation/survey.ts';
import { CatalogController } from './catalog/controller.ts';
import { Reaches } from './catalog/reaches.ts';
import { RegistrationProofs } from './catalog/registration-proofs.ts';
import { ReservedAddresses } from './catalog/reserved-addresses.ts';
import { httpsBundleSource } from './federation/bundle-source.ts';
import { FederationController } from './federation/controller.ts';
import { IntentionController } from './intention/controller.ts';
import { JobFinisherController } from './job-finisher/controller.ts';
import { MeshConfigController } from './mesh-config/controller.ts';
import type { MeshConfigControllerDeps } from './mesh-config/controller.ts';
import { MeshServiceController } from './mesh-service/controller.ts';
import { MissedInjectionController } from './missed-injection/controller.ts';
import { SYSTEM_NAMESPACES } from './missed-injection/decide.ts';
import { LeftOutController } from './missed-injection/left-out.ts';
import { RegistrationsController } from './registrations/controller.ts';
import { WebhookRegistrationController } from './webhook-registration/controller.ts';

export interface ControllersDeps {
  readonly config: OperatorConfig;
  readonly capabilities: Capabilities;
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: OperatorMetrics;
  readonly events: Events;
  readonly caches: Caches;
  readonly settings: Settings;
  readonly authority: Authority;
  readonly slots: RootSlots;
  readonly acceptedPaths: Pick<AcceptedPaths, 'lastPart'>;
  readonly authorityWatch: Pick<AuthorityWatch, 'fault' | 'onChange'>;
  readonly certificates: MeshConfigControllerDeps['certificates'];
  readonly audit: MeshConfigControllerDeps['audit'];
  readonly owner: OwnerReference | undefined;
}

/** The leader's controllers, made again for each term. */
export function createControllers(deps: ControllersDeps): readonly Controller[] {
  const { config, api, clock, log, metrics, events, caches, settings, authority, owner } = deps;
  const { meshNamespace, excludedNamespaces } = config;
  const { scope } = settings;
  const ask = asking(deps);
  const slices = endpointSlices(deps.capabilities);
  const reaches = new Reaches();
  const rules = memberRules(deps);
  const duties: readonly ControllerDuty[] = [
    new MeshConfigController({
      ...{ api, events, clock, scope, owner },
      log: log.child({ controller: 'mesh-config' }),
      meshConfigs: caches.meshConfigs,
      status: new StatusWriter(MESH_CONFIGS, deps),
      given: config.meshConfig,
      authority,
      authorityWatch: deps.authorityWatch,
      certificates: deps.certificates,
      audit: deps.audit,
    }),
    new WebhookRegistrationController({
      ...{ api, clock, meshNamespace, excludedNamespaces, owner },
      log: log.child({ controller: 'webhook-registration' }),
      meshConfigs: caches.meshConfigs,
      acceptedPaths: deps.acceptedPaths,
      mutating: caches.mutatingWebhooks,
      validating: caches.validatingWebhooks,
      matchConditions: deps.capabilities.matchConditions,
      authority,
    }),
    new AccessController({
      ...{ api, clock, metrics, meshNamespace, owner, rules },
      log: log.child({ controller: 'access' }),
      pods: caches.pods,
      namespaces: caches.namespaces,
      roleBindings: caches.roleBindings,
      clusterRoleBindings: caches.clusterRoleBindings,
    }),
    new CatalogController({
      ...{ api, clock, events, metrics, meshNamespace, owner, slices, reaches, rules },
      log: log.child({ controller: 'catalog' }),
      meshServices: caches.meshServices,
      pods: caches.pods,
      services: caches.services,
      entries: caches.catalogEntries,
      proofs: registrationProofs(deps, slices, ask('trust')),
    }),
    new MeshServiceController({
      ...{ api, clock, events, scope, meshNamespace, rules },
      log: log.child({ controller: 'mesh-service' }),
      meshServices: caches.meshServices,
      pods: caches.pods,
      reaches,
      status: new StatusWriter(MESH_SERVICES, deps),
    }),
    new IntentionController({
      ...{ clock, events, meshNamespace, scope },
      intentions: caches.intentions,
      status: new StatusWriter(INTENTIONS, deps),
    }),
    new FederationController({
      ...{ api, clock, events, metrics, scope, random: Math.random },
      log: log.child({ controller: 'federation' }),
      meshConfigs: caches.meshConfigs,
      source: httpsBundleSource(clock),
    }),
    new LeftOutController({ events, pods: caches.leftOutPods }),
    new JobFinisherController({
      ...{ scope, metrics },
      log: log.child({ controller: 'job-finisher' }),
      pods: caches.pods,
      tell: async (target) => void (await ask('finish')(target)),
    }),
    new CaRotationController({
      ...{ api, clock, events, authority },
      log: log.child({ controller: 'ca-rotation' }),
      meshConfigs: caches.meshConfigs,
      survey: new Survey({ scope, rules, pods: caches.pods, ask: ask('trust') }),
      succession: new RootSuccession({
        ...{ api, clock, scope, authority, owner, slots: deps.slots },
        namespace: meshNamespace,
      }),
    }),
  ];
  const missed = caches.askingPods
    ? [
        new MissedInjectionController({
          ...{ events, metrics },
          pods: caches.askingPods,
          excludedNamespaces: [...SYSTEM_NAMESPACES, meshNamespace, ...excludedNamespaces],
        }),
      ]
    : [];
  // Where none can join, nobody looks for any; there is no right to either.
  const outside =
    config.outsidePort === undefined
      ? []
      : [
          new RegistrationsController({
            ...{ api, clock, pods: caches.pods },
            log: log.child({ controller: 'registrations' }),
          }),
        ];
  const patience = new WebhookGracePeriod({ clock, log });
  return [...duties, ...missed, ...outside].map(
    (duty) => new Controller(duty, { clock, log, metrics, patience }),
  );
}

/** Who of the processes outside of pods is where it says; undefined where none may join, since there is no right to look either. */
function registrationProofs(
  { api, clock, log, events, caches, settings, config }: ControllersDeps,
  slices: ResourceType<EndpointSlice>,
  ask: (target: ControlTarget) => Promise<object>,
): RegistrationProofs | undefined {
  if (config.outsidePort === undefined) return undefined;
  const reserved = new ReservedAddresses({ api, clock, slices, services: caches.services });
  return new RegistrationProofs({
    ...{ pods: caches.pods, clock, events, ask },
    log: log.child({ controller: 'catalog' }),
    scope: settings.scope,
    isReserved: (address) => reserved.has(address),
  });
}

/** Asks sidecars as the operator's own identity, which is made when it is needed and kept for a while. */
function asking({ authority, config, clock }: ControllersDeps) {
  const who = { namespace: namespaceName(config.meshNamespace), service: serviceName(OPERATOR_SERVICE) };
  let identity: Promise<Svid> | undefined;
  let renewAt = 0;
  const current = (): Promise<Svid> => {
    if (!identity || clock.now() >= renewAt) {
      identity = authority.issueIdentity(who, CONTROL_IDENTITY_TTL_MS);
      identity.catch(() => (identity = undefined));
      renewAt = clock.now() + CONTROL_IDENTITY_TTL_MS / 2;
    }
    return identity;
  };
  authority.onChange(() => (identity = undefined));
  return (command: ControlCommand) =>
    async (target: ControlTarget): Promise<object> =>
      askSidecar(target, command, { identity: await current(), bundle: authority.bundle });
}

const CONTROL_IDENTITY_TTL_MS = 10 * 60_000;
