import { OPERATOR_SERVICE } from '#core/constants.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { RawIntention } from '#core/policy/rule.ts';
import type { Capabilities } from '#kube/capabilities.ts';
import type { Clock } from '#kube/clock.ts';
import type { Logger } from '#kube/log.ts';

import type { RootSlots } from './ca/root-slots.ts';
import type { Caches } from './caches.ts';
import type { OperatorConfig, SidecarDefaults } from './config.ts';
import type { OperatorMetrics } from './metrics.ts';
import type { Settings } from './settings.ts';

/** What the webhook is given to answer admission reviews with. Its room is told in plain shapes; `main.ts` puts the two together. */
export interface AdmissionParts {
  readonly config: OperatorConfig;
  readonly capabilities: Capabilities;
  readonly caches: Pick<Caches, 'namespaces' | 'intentions' | 'meshServices'>;
  readonly settings: Settings;
  readonly slots: RootSlots;
  readonly metrics: OperatorMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ClusterView {
  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined;
  intentions(namespace: string): readonly RawIntention[];
  meshServices(namespace: string): readonly MeshService[];
  settings(): MeshSettings;
}

/** Answers the webhook's questions about the cluster at once, from caches. */
export function clusterView({ caches, settings }: Pick<AdmissionParts, 'caches' | 'settings'>): ClusterView {
  return {
    namespaceLabels: (namespace) => {
      const found = caches.namespaces.get(namespace);
      return found && (found.metadata.labels ?? {});
    },
    intentions: (namespace) => caches.intentions.inNamespace(namespace),
    meshServices: (namespace) => caches.meshServices.inNamespace(namespace),
    settings: () => settings.current,
  };
}

export interface InjectionSettings {
  readonly meshNamespace: string;
  readonly excludedNamespaces: readonly string[];
  readonly image: string;
  readonly pullPolicy: OperatorConfig['sidecarImagePullPolicy'];
  readonly style: 'native' | 'ordinary';
  readonly defaults: SidecarDefaults;
  readonly operatorUrl: string;
  /** Whether processes outside of pods may join. */
  readonly outside: boolean;
}

/** How sidecars are put into pods here. */
export function injectionSettings({
  config,
  capabilities,
}: Pick<AdmissionParts, 'config' | 'capabilities'>): InjectionSettings {
  return {
    meshNamespace: config.meshNamespace,
    excludedNamespaces: config.excludedNamespaces,
    image: config.sidecarImage,
    pullPolicy: config.sidecarImagePullPolicy,
    style: capabilities.nativeSidecars ? 'native' : 'ordinary',
    defaults: config.sidecarDefaults,
    operatorUrl: `https://${OPERATOR_SERVICE}.${config.meshNamespace}.svc:8443`,
    outside: config.outsidePort !== undefined,
  };
}

export interface AdmissionMetrics {
  injection(result: string, reason: string): void;
  validation(resource: string, result: string): void;
  duration(endpoint: string, seconds: number): void;
}

/** The webhook's counters in the operator's registry. */
export function webhookMetrics(
  metrics: Pick<OperatorMetrics, 'injections' | 'validations' | 'admissionSeconds'>,
): AdmissionMetrics {
  return {
    injection: (result, reason) => metrics.injections.inc({ result, reason }),
    validation: (resource, result) => metrics.validations.inc({ resource, result }),
    duration: (endpoint, seconds) => metrics.admissionSeconds.observe({ endpoint }, seconds),
  };
}
