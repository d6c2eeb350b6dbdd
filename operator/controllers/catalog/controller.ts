import { API_GROUP, API_VERSION, LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import { catalogEntryName } from '#core/model/catalog-entry-name.ts';
import { CATALOG_LIMITS } from '#core/model/catalog-entry.ts';
import type { CatalogEntry, CatalogEntrySpec } from '#core/model/catalog-entry.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { KubeApi, ResourceType } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { CATALOG_ENTRIES } from '#kube/types.ts';
import type { Pod, Service } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import type { Events } from '../../control-loop/events.ts';
import { same } from '../../control-loop/matches.ts';
import type { OperatorMetrics } from '../../metrics/metrics.ts';
import type { MemberRules } from '../../resources/member.ts';
import { isRegistration, podAddresses, podService, sidecarPort } from '../../resources/pod.ts';
import { TokenBuckets } from '#base/token-buckets.ts';
import { AddressClaims } from './address-claims.ts';
import { decideCatalog } from './decide.ts';
import type { CatalogVerdict, Reach } from './decide.ts';
import { ForeignEndpoints } from './foreign-endpoints.ts';
import { isVouched } from './instances.ts';
import { occurrences } from './occurrences.ts';
import { PublishedEntries } from './published.ts';
import type { Reaches } from './reaches.ts';
import type { RegistrationProofs } from './registration-proofs.ts';

export interface CatalogControllerDeps {
  readonly api: Pick<KubeApi, 'list' | 'create' | 'update' | 'delete'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Events;
  readonly metrics: Pick<OperatorMetrics, 'catalogWrites' | 'catalogServices'>;
  readonly meshNamespace: string;
  readonly owner: OwnerReference | undefined;
  readonly slices: ResourceType<EndpointSlice>;
  readonly meshServices: ObjectCache<MeshService>;
  /** Injected pods. */
  readonly pods: ObjectCache<Pod>;
  readonly services: ObjectCache<Service>;
  readonly entries: ObjectCache<CatalogEntry>;
  /** Where processes outside of pods may join. */
  readonly proofs: RegistrationProofs | undefined;
  readonly reaches: Reaches;
  readonly rules: MemberRules;
}

/** How often a Service that leads outside of the mesh too is looked at again, milliseconds: its endpoints are not watched. */
const MIXED_AGAIN_MS = 5_000;
/** Every write is sent to every sidecar, so a namespace has a share of them; a whole one can be published at once. */
const WRITES = { burst: CATALOG_LIMITS.services, perSecond: 10, maxKeys: 16_384 };

/**
 * Publishes how the services of each namespace are reached: one CatalogEntry for each, in the mesh's namespace. Keys are namespaces of
 * services.
 */
export class CatalogController implements ControllerDuty {
  readonly name = 'catalog';
  readonly #deps: CatalogControllerDeps;
  readonly #published = new PublishedEntries();
  readonly #writes = new TokenBuckets(WRITES);
  readonly #isVouched: (pod: Pod) => boolean;
  readonly #claims: AddressClaims;

  constructor(deps: CatalogControllerDeps) {
    this.#deps = deps;
    this.#isVouched = (pod) =>
      isVouched(pod, deps.rules, (registration) => deps.proofs?.isProven(registration) ?? false);
    this.#claims = new AddressClaims(this.#isVouched);
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const { meshServices, pods, services, entries, proofs } = this.#deps;
    const namespaces = (
      changes: readonly { readonly before?: Metadata; readonly after?: Metadata }[],
    ): void => {
      for (const { before, after } of changes) add((after ?? before)?.metadata.namespace ?? '');
    };
    const ends = [
      this.#claims.follow(pods, add),
      this.#published.follow(entries, add),
      meshServices.subscribe(namespaces),
      services.subscribe(namespaces),
      pods.subscribe(namespaces),
      () => proofs?.stop(),
    ];
    proofs?.start(this.#wasPublished, (registration) => {
      for (const namespace of this.#claims.refresh(registration)) add(namespace);
      add(registration.metadata.namespace ?? '');
    });
    return ends;
  }

  readonly #wasPublished = (registration: Pod): boolean => {
    const { namespace = '' } = registration.metadata;
    const entry = this.#published
      .of(namespace)
      .get(catalogEntryName(namespace, podService(registration) ?? ''));
    const own = podAddresses(registration);
    const port = sidecarPort(registration);
    return (entry?.spec?.addresses ?? []).some(
      (one) => own.includes(one.address) && one.sidecarPort === port,
    );
  };

  keys(): Iterable<string> {
    const found = new Set(this.#published.namespaces);
    for (const { metadata } of this.#deps.meshServices.all()) found.add(metadata.namespace ?? '');
    for (const { metadata } of this.#deps.pods.all()) found.add(metadata.namespace ?? '');
    return found;
  }

  async reconcile(namespace: string, signal: AbortSignal): Promise<Requeue | void> {
    const { reaches, events, services, metrics } = this.#deps;
    if (namespace === '') return undefined;
    const verdict = await this.#decide(namespace, signal);
    const changes = reaches.set(namespace, verdict.reach);
    if (changes.length > 0)
      for (const reach of REACH_KINDS) metrics.catalogServices.set({ reach }, reaches.count(reach));
    for (const change of changes)
      for (const occurrence of occurrences(namespace, change, (name) => services.get(`${namespace}/${name}`)))
        events.emit(occurrence);
    const waitMs = await this.#publish(namespace, verdict);
    const isMixed = [...verdict.reach.values()].some(({ kind }) => kind === 'mixed');
    const again = [...(waitMs > 0 ? [waitMs] : []), ...(isMixed ? [MIXED_AGAIN_MS] : [])];
    return again.length > 0 ? { requeueAfterMs: Math.min(...again) } : undefined;
  }

  async #decide(namespace: string, signal: AbortSignal): Promise<CatalogVerdict> {
    const { meshServices, pods, services } = this.#deps;
    const foreign = new ForeignEndpoints(this.#deps);
    const situation = {
      namespace,
      meshServices: meshServices.inNamespace(namespace),
      instances: pods.inNamespace(namespace).filter(this.#isVouched),
      services: services.inNamespace(namespace),
      published: this.#published.specs(namespace),
      hasForeignEndpoints: (service: Service, own: ReadonlySet<string>) => foreign.has(service, own),
      holds: (pod: Pod, address: string) => this.#claims.holds(pod, address),
      outside,
    };
    const verdict = decideCatalog(situation);
    return (await foreign.read(signal)) ? decideCatalog(situation) : verdict;
  }

  /** @returns milliseconds after which the rest may be written; 0 when all is */
  async #publish(namespace: string, { entries }: CatalogVerdict): Promise<number> {
    const published = this.#published.of(namespace);
    const wanted = new Map(
      [...entries].map(([service, spec]) => [catalogEntryName(namespace, service), spec]),
    );
    for (const name of [...published.keys()].filter((one) => !wanted.has(one))) {
      const waitMs = this.#mayWrite(namespace);
      if (waitMs > 0) return waitMs;
      await this.#remove(name);
    }
    for (const [name, spec] of wanted) {
      const before = published.get(name);
      if (before && same(before.spec, spec)) continue;
      const waitMs = this.#mayWrite(namespace);
      if (waitMs > 0) return waitMs;
      await this.#write(name, spec, before);
    }
    return 0;
  }

  #mayWrite(namespace: string): number {
    return this.#writes.take(namespace, this.#deps.clock.now());
  }

  async #write(name: string, spec: CatalogEntrySpec, before: CatalogEntry | undefined): Promise<void> {
    const { api, metrics, meshNamespace, owner } = this.#deps;
    const entry: CatalogEntry = {
      apiVersion: `${API_GROUP}/${API_VERSION}`,
      kind: CATALOG_ENTRIES.kind,
      metadata: {
        name,
        namespace: meshNamespace,
        labels: { [LABELS.managedBy]: MANAGED_BY_VALUE },
        ...(owner ? { ownerReferences: [owner] } : {}),
        ...(before?.metadata.resourceVersion ? { resourceVersion: before.metadata.resourceVersion } : {}),
      },
      spec,
    };
    try {
      if (before) await api.update(CATALOG_ENTRIES, entry);
      else await api.create(CATALOG_ENTRIES, entry);
      metrics.catalogWrites.inc({ result: before ? 'updated' : 'created' });
    } catch (error) {
      // Our cache is behind: the change it lacks brings this namespace back here.
      if (!isConflict(error) && !isAlreadyExists(error) && !isNotFound(error)) throw error;
    }
  }

  async #remove(name: string): Promise<void> {
    const { api, metrics, meshNamespace, log } = this.#deps;
    try {
      await api.delete(CATALOG_ENTRIES, { namespace: meshNamespace, name });
      metrics.catalogWrites.inc({ result: 'deleted' });
      log.info({ entry: name }, 'a service is reached through the mesh no longer');
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

const REACH_KINDS: readonly Reach['kind'][] = ['reachable', 'none', 'ambiguous', 'mixed', 'over-limit'];

interface Metadata {
  readonly metadata: { readonly namespace?: string };
}

/** Where a process outside of pods is; nothing for a pod, whose sidecar is at the usual port. */
function outside(
  pod: Pod,
): { readonly sidecarPort?: number; readonly ports?: readonly number[] } | undefined {
  if (!isRegistration(pod)) return undefined;
  const port = sidecarPort(pod);
  const ports = (pod.spec?.containers ?? []).flatMap((container) =>
    (container.ports ?? []).map(({ containerPort }) => containerPort),
  );
  return { ports, ...(port === undefined ? {} : { sidecarPort: port }) };
}
