import { OPERATOR_SERVICE } from '#core/constants.ts';
import { allowedServiceAccounts } from '#core/model/mesh-service.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { RawIntention } from '#core/policy/rule.ts';
import type { Capabilities } from '#kube/cluster/capabilities.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { ClusterFacts, ClusterQuestion } from '#webhook/cluster-view.ts';
import type { WebhookMetrics } from '#webhook/metrics.ts';
import type { InjectionSettings } from '#webhook/review-pod.ts';

import type { Caches } from '../control-loop/caches.ts';
import type { OperatorConfig } from '../config/config.ts';
import { SIGNING_PORT } from '../config/names.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import type { Settings } from '../config/settings.ts';

/** What the webhook is given to answer admission reviews with. */
export interface AdmissionDeps {
  readonly config: OperatorConfig;
  readonly capabilities: Capabilities;
  readonly caches: Pick<Caches, 'namespaces' | 'intentions' | 'meshServices'>;
  readonly settings: Settings;
  readonly metrics: OperatorMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Objects of a namespace that are looked at for one question, and those that an answer holds: whatever a namespace holds, an answer is quick and small. */
const MAX_LOOKED_AT = 1_000;
const MAX_FOUND = 32;

/** Answers a review's question at once, from caches. */
export function clusterFacts(
  question: ClusterQuestion,
  { caches, settings }: Pick<AdmissionDeps, 'caches' | 'settings'>,
): ClusterFacts {
  const { namespace } = question;
  const found = caches.namespaces.get(namespace);
  return {
    namespace,
    labels: found && (found.metadata.labels ?? {}),
    intentions: intentionsFor(question, caches),
    meshServices: servicesFor(question, caches),
    settings: settings.current,
  };
}

function intentionsFor(
  { namespace, intention }: ClusterQuestion,
  { intentions }: AdmissionDeps['caches'],
): readonly RawIntention[] {
  if (intention === undefined) return [];
  const edge = edgeText(intention, namespace);
  return intentions
    .inNamespace(namespace)
    .slice(0, MAX_LOOKED_AT)
    .filter(({ spec }) => edgeText(spec, namespace) === edge)
    .slice(0, MAX_FOUND)
    .map(({ metadata: { name, deletionTimestamp }, spec }) => ({
      metadata: { name, namespace, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
      spec,
    }));
}

/** Equal for intentions of one namespace with the same source and destination. Nothing about the spec is known. */
function edgeText(spec: unknown, home: string): string {
  const end = (value: unknown): string => {
    const { service, namespace = home, spiffeId } = (value ?? {}) as Readonly<Record<string, unknown>>;
    return JSON.stringify([service, namespace, spiffeId]);
  };
  const { source, destination } = (spec ?? {}) as Readonly<Record<string, unknown>>;
  return `${end(source)} ${end(destination)}`;
}

function servicesFor(
  { namespace, services = [], serviceAccounts = [] }: ClusterQuestion,
  { meshServices }: AdmissionDeps['caches'],
): readonly MeshService[] {
  const byName = services.flatMap((name) => meshServices.get(`${namespace}/${name}`) ?? []);
  const accounts = new Set(serviceAccounts);
  const byAccount =
    accounts.size === 0
      ? []
      : meshServices
          .inNamespace(namespace)
          .slice(0, MAX_LOOKED_AT)
          .filter((service) => allowedServiceAccounts(service).some((account) => accounts.has(account)));
  return [...new Set([...byName, ...byAccount])].slice(0, MAX_FOUND).map(({ metadata, spec }) => ({
    metadata: { name: metadata.name, namespace },
    spec: spec?.serviceAccounts === undefined ? {} : { serviceAccounts: spec.serviceAccounts },
  }));
}

/** How sidecars are put into pods here. */
export function injectionSettings({
  config,
  capabilities,
}: Pick<AdmissionDeps, 'config' | 'capabilities'>): InjectionSettings {
  return {
    meshNamespace: config.meshNamespace,
    excludedNamespaces: config.excludedNamespaces,
    image: config.sidecarImage,
    pullPolicy: config.sidecarImagePullPolicy,
    style: capabilities.nativeSidecars ? 'native' : 'ordinary',
    defaults: config.sidecarDefaults,
    operatorUrl: `https://${OPERATOR_SERVICE}.${config.meshNamespace}.svc:${SIGNING_PORT}`,
    outside: config.outsidePort !== undefined,
  };
}

/** The webhook's counters in the operator's registry, where it runs in the operator's own thread. */
export function webhookMetrics(
  metrics: Pick<OperatorMetrics, 'injections' | 'validations' | 'admissionSeconds'>,
): WebhookMetrics {
  return {
    injection: (result, reason) => metrics.injections.inc({ result, reason }),
    validation: (resource, result) => metrics.validations.inc({ resource, result }),
    duration: (endpoint, seconds) => metrics.admissionSeconds.observe({ endpoint }, seconds),
  };
}
