import { LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import { CATALOG_LIMITS } from '#core/model/catalog-entry.ts';
import type { CatalogAddress, CatalogEntrySpec } from '#core/model/catalog-entry.ts';
import { allowedServiceAccounts } from '#core/model/mesh-service.ts';
import type { BackingService, MeshService } from '#core/model/mesh-service.ts';
import type { Pod, Service } from '#kube/types.ts';

import { isInstance, isReady, podAddresses, podService, podServiceAccount } from '../../resources/pod.ts';
import { backingService, leadsToPods } from '../../resources/service.ts';
import { meaningOf } from './ownership.ts';
import type { Meaning } from './ownership.ts';
import { SelectedPods } from './selectors.ts';

export interface CatalogSituation {
  readonly namespace: string;
  readonly meshServices: readonly MeshService[];
  /** The instances of the namespace that the operator vouches for: see `instances.ts`. */
  readonly instances: readonly Pod[];
  /** Every Kubernetes Service of the namespace. */
  readonly services: readonly Service[];
  /** What is published of the namespace now. */
  readonly published: readonly CatalogEntrySpec[];
  /** Whether a Service leads to ready endpoints that are none of these addresses. */
  readonly hasForeignEndpoints: (service: Service, addresses: ReadonlySet<string>) => boolean;
  /** Whose an address is: a pod's may be claimed by others, of any namespace. */
  readonly holds: (pod: Pod, address: string) => 'alone' | 'disputed' | 'no';
  /** Where the sidecar of a process outside of pods listens, and its application; undefined for pods. */
  readonly outside: (pod: Pod) => Pick<CatalogAddress, 'sidecarPort' | 'ports'> | undefined;
}

/** How a mesh service is reached, for its status and for people. */
export type Reach =
  | { readonly kind: 'reachable'; readonly services: readonly BackingService[] }
  | { readonly kind: 'none' }
  /** Its Service leads to other mesh services too. */
  | { readonly kind: 'ambiguous'; readonly service: string; readonly with: readonly string[] }
  /** Its Service leads to pods outside of the mesh too, and has not been the mesh's before. */
  | { readonly kind: 'mixed'; readonly service: string }
  /** The namespace has more services than are published. */
  | { readonly kind: 'over-limit' };

export interface CatalogVerdict {
  /** What is to be published, by name of the mesh service. */
  readonly entries: ReadonlyMap<string, CatalogEntrySpec>;
  /** By name of the mesh service; those that are not in it are not reached at all. */
  readonly reach: ReadonlyMap<string, Reach>;
}

/** Everything that is published of a namespace. Pure. */
export function decideCatalog(situation: CatalogSituation): CatalogVerdict {
  const { namespace, meshServices } = situation;
  const drafts = new Map<string, Draft>();
  const draft = (name: string): Draft => {
    const found = drafts.get(name) ?? new Draft();
    drafts.set(name, found);
    return found;
  };
  for (const { service, meaning, behind } of meanings(situation)) {
    if (meaning.kind === 'owned') {
      const own = behind.filter((pod) => podService(pod) === meaning.by);
      draft(meaning.by).add(service, own, situation);
    } else if (meaning.kind === 'ambiguous') {
      for (const name of meaning.among) draft(name).dispute(service, meaning.among);
    } else for (const name of meaning.waiting) draft(name).wait(service);
  }
  const definitions = new Map(meshServices.map((service) => [service.metadata.name, service]));
  return withinLimits(
    drafts,
    (name, made, budget) => made.entry(namespace, name, definitions.get(name), budget),
    (name) => definitions.get(name)?.metadata.creationTimestamp ?? '',
  );
}

interface Decided {
  readonly service: Service;
  readonly meaning: Meaning;
  readonly behind: readonly Pod[];
}

function* meanings(situation: CatalogSituation): Iterable<Decided> {
  const { meshServices, instances, services, published } = situation;
  const definitions = new Map(meshServices.map((service) => [service.metadata.name, service]));
  const members = instances.filter((pod) => mayBe(pod, definitions.get(podService(pod) ?? '')));
  const addresses = new Set(members.flatMap(podAddresses));
  const selected = new SelectedPods(members);
  const before = publishedMeanings(published);
  for (const service of [...services].filter(leadsToPods).sort(byName)) {
    const { name } = service.metadata;
    const behind = selected.behind(service);
    const was = before.get(name);
    const exists = (one: string): boolean =>
      definitions.has(one) || behind.some((pod) => podService(pod) === one);
    const running = behind.filter(isInstance);
    const owner = was?.owner !== undefined && exists(was.owner) ? was.owner : undefined;
    const meaning = meaningOf({
      service,
      running: namesOf(running),
      ready: namesOf(running.filter((pod) => isReady(pod) && definitions.has(podService(pod) ?? ''))),
      owner,
      claimants: (was?.claimants ?? []).filter(exists),
      known: was !== undefined,
      pinned: isWrittenByUser(definitions.get(name)),
      hasForeignEndpoints: () => situation.hasForeignEndpoints(service, addresses),
    });
    yield { service, meaning, behind };
  }
}

/** A pod may name itself as it likes; it is a member of a service whose MeshService allows its ServiceAccount, or that is being made for it. */
function mayBe(pod: Pod, definition: MeshService | undefined): boolean {
  return definition === undefined || allowedServiceAccounts(definition).includes(podServiceAccount(pod));
}

function isWrittenByUser(definition: MeshService | undefined): boolean {
  return definition !== undefined && definition.metadata.labels?.[LABELS.managedBy] !== MANAGED_BY_VALUE;
}

function namesOf(pods: readonly Pod[]): Set<string> {
  return new Set(pods.map(podService).filter((name) => name !== undefined));
}

interface Before {
  owner?: string;
  readonly claimants: string[];
}

/** What each Kubernetes Service of the namespace means by what is published. */
function publishedMeanings(published: readonly CatalogEntrySpec[]): ReadonlyMap<string, Before> {
  const found = new Map<string, Before>();
  const at = (name: string): Before => {
    const known = found.get(name) ?? { claimants: [] };
    found.set(name, known);
    return known;
  };
  for (const { service, services = [], ambiguous = [] } of published) {
    for (const { name } of services) at(name).owner = service;
    for (const { name } of ambiguous) at(name).claimants.push(service);
  }
  return found;
}

/** What one mesh service's entry is made of. */
class Draft {
  readonly #services: BackingService[] = [];
  readonly #ambiguous: { readonly service: BackingService; readonly among: readonly string[] }[] = [];
  readonly #waiting: string[] = [];
  readonly #addresses = new Map<string, CatalogAddress>();
  readonly #disputed = new Set<string>();

  add(service: Service, pods: readonly Pod[], { holds, outside }: CatalogSituation): void {
    const backing = backingService(service);
    this.#services.push(backing);
    if (!backing.headless) return;
    for (const pod of pods) {
      for (const address of podAddresses(pod)) {
        const held = holds(pod, address);
        if (held === 'disputed') this.#disputed.add(address);
        if (held !== 'alone') continue;
        const where = { address, ...outside(pod) };
        this.#addresses.set(`${address} ${where.sidecarPort ?? ''}`, where);
      }
    }
  }

  dispute(service: Service, among: readonly string[]): void {
    this.#ambiguous.push({ service: backingService(service), among });
  }

  wait(service: Service): void {
    this.#waiting.push(service.metadata.name);
  }

  /** @param addresses how many may still be published of the namespace */
  entry(
    namespace: string,
    service: string,
    definition: MeshService | undefined,
    addresses: number,
  ): CatalogEntrySpec | undefined {
    const services = this.#services.slice(0, CATALOG_LIMITS.backing).map(withinPorts);
    const ambiguous = this.#ambiguous.slice(0, CATALOG_LIMITS.backing);
    if (services.length + ambiguous.length === 0) return undefined;
    const ports = (definition?.spec?.ports ?? []).map(({ port }) => port).slice(0, CATALOG_LIMITS.ports);
    return {
      namespace,
      service,
      ...list('ports', ports),
      ...list('services', services),
      ...list(
        'ambiguous',
        ambiguous.map(({ service: { name, clusterIPs } }) => ({ name, clusterIPs })),
      ),
      ...list('addresses', [...this.#addresses.values()].sort(byAddress).slice(0, addresses)),
      ...list('disputed', [...this.#disputed].sort().slice(0, CATALOG_LIMITS.addresses)),
    };
  }

  reach(): Reach {
    const [ambiguous] = this.#ambiguous;
    const [waiting] = this.#waiting;
    if (ambiguous) {
      return { kind: 'ambiguous', service: ambiguous.service.name, with: ambiguous.among };
    }
    if (this.#services.length > 0) return { kind: 'reachable', services: this.#services };
    return waiting === undefined ? { kind: 'none' } : { kind: 'mixed', service: waiting };
  }
}

type MakeEntry = (name: string, draft: Draft, addresses: number) => CatalogEntrySpec | undefined;

/** The oldest services are published where there are more than may be, so that new ones take nothing away from others. */
function withinLimits(
  drafts: ReadonlyMap<string, Draft>,
  make: MakeEntry,
  createdAt: (name: string) => string,
): CatalogVerdict {
  const entries = new Map<string, CatalogEntrySpec>();
  const reach = new Map<string, Reach>();
  let addresses: number = CATALOG_LIMITS.addresses;
  const age = (name: string): string => `${createdAt(name)} ${name}`;
  for (const [name, draft] of [...drafts].sort(([a], [b]) => (age(a) < age(b) ? -1 : 1))) {
    const entry = make(name, draft, addresses);
    const isOver = entry !== undefined && entries.size >= CATALOG_LIMITS.services;
    reach.set(name, isOver ? { kind: 'over-limit' } : draft.reach());
    if (entry === undefined || isOver) continue;
    entries.set(name, entry);
    addresses -= entry.addresses?.length ?? 0;
  }
  return { entries, reach };
}

function withinPorts(service: BackingService): BackingService {
  return { ...service, ports: service.ports.slice(0, CATALOG_LIMITS.ports) };
}

function list<Key extends string, T>(key: Key, values: readonly T[]): { readonly [K in Key]?: readonly T[] } {
  return (values.length > 0 ? { [key]: values } : {}) as { readonly [K in Key]?: readonly T[] };
}

function byName(a: Service, b: Service): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

function byAddress(a: CatalogAddress, b: CatalogAddress): number {
  return `${a.address} ${a.sidecarPort ?? ''}` < `${b.address} ${b.sidecarPort ?? ''}` ? -1 : 1;
}
