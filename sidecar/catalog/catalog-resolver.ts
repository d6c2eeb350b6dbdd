import type { ServicePort } from '#core/model/mesh-service.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope, ServiceIdentity } from '#core/spiffe-id.ts';
import type { Clock } from '#kube/clock.ts';

import type { Resolution, Resolver, Target } from '../seams/resolver.ts';
import type { Trust } from '../trust/trust.ts';
import type { Catalog } from './catalog.ts';
import type { CatalogEntry } from './catalog-entry.ts';
import type { Backing } from './catalog-index.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { PodIndex } from './pod-index.ts';
import type { PodPort, ServiceEndpoints } from './service-endpoints.ts';
import { within } from './within.ts';

export interface ResolverDependencies {
  readonly catalog: Pick<Catalog, 'index' | 'synced' | 'hasSynced'>;
  readonly pool: EndpointPool;
  readonly pods: PodIndex;
  readonly trust: Pick<Trust, 'current'>;
  readonly clock: Clock;
  /** Addresses of this pod: their first says which family upstreams prefer. */
  readonly podIps: readonly string[];
  /** How long a connection waits for something that was not read yet, milliseconds. Default five seconds. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 5_000;
const OUTSIDE: Resolution = Object.freeze({ kind: 'outside' });

/** Finds what lies behind an address or a name, by what the API server says; refuses what it cannot say in time. */
export class CatalogResolver implements Resolver {
  readonly #deps: ResolverDependencies;
  readonly #patienceMs: number;

  constructor(deps: ResolverDependencies) {
    this.#deps = deps;
    this.#patienceMs = deps.patienceMs ?? PATIENCE_MS;
  }

  async resolve(address: string, port: number): Promise<Resolution> {
    const scope = await this.#ready();
    if (typeof scope === 'string') return unknown(scope);
    const { index } = this.#deps.catalog;
    const backing = index.byClusterIp(address);
    if (backing) {
      const servicePort = backing.service.ports.find((one) => one.port === port);
      if (!servicePort) return unknown(`the Service ${nameOf(backing)} has no port ${port}`);
      return this.#target(scope, backing, { name: servicePort.name ?? '' }, address.includes(':'));
    }
    if (!index.hasHeadless) return OUTSIDE;
    return this.#pod(scope, address, port);
  }

  async upstream(service: ServiceIdentity, port?: number): Promise<Resolution> {
    const scope = await this.#ready();
    if (typeof scope === 'string') return unknown(scope);
    const name = `${service.namespace}/${service.service}`;
    const entry = this.#deps.catalog.index.byName(service);
    if (!entry) return unknown(`there is no service ${name} in the mesh (no MeshService of that name)`);
    const [first] = entry.services;
    if (!first) return unknown(`no Kubernetes Service selects the pods of ${name}, so they cannot be found`);
    const found = port === undefined ? defaultPort(entry) : namedPort(entry, port);
    if (!found) return unknown(`the service ${name} has no port ${port ?? 'at all'}`);
    const backing = { entry, service: found.backing?.service ?? first };
    return this.#target(scope, backing, found.port, this.#deps.podIps[0]?.includes(':') ?? false);
  }

  /** What the mesh is called, once all services were read; else why that cannot be said. */
  async #ready(): Promise<IdentityScope | string> {
    const { catalog, clock, trust } = this.#deps;
    if (!catalog.hasSynced && !(await within(clock, catalog.synced, this.#patienceMs))) {
      return 'the services of the mesh have not been read from the API server yet';
    }
    return trust.current()?.settings ?? 'the settings of the mesh have not been read from the API server yet';
  }

  /** A pod called by its own address, as members of a StatefulSet do: that very pod is meant, ready or not. */
  async #pod(scope: IdentityScope, address: string, port: number): Promise<Resolution> {
    const { pods, clock, catalog } = this.#deps;
    pods.start();
    if (!(await within(clock, pods.synced, this.#patienceMs))) {
      return unknown('the pods of headless Services have not been read from the API server yet');
    }
    for (const { namespace, service } of pods.servicesOf(address)) {
      const backing = catalog.index.byKubernetesService(namespace, service);
      if (backing) return { kind: 'mesh', target: podTarget(scope, backing, address, port) };
    }
    return OUTSIDE;
  }

  async #target(scope: IdentityScope, backing: Backing, port: PodPort, ipv6: boolean): Promise<Resolution> {
    const { pool, clock } = this.#deps;
    const { identity } = backing.entry;
    const endpoints = pool.acquire(identity.namespace, backing.service.name);
    if (!(await within(clock, endpoints.synced, this.#patienceMs))) {
      endpoints.release();
      return unknown(
        `the endpoints of the Service ${nameOf(backing)} have not been read from the API server yet`,
      );
    }
    return {
      kind: 'mesh',
      target: serviceTarget(scope, identity, endpoints, () => endpoints.endpoints(port, ipv6)),
    };
  }
}

function unknown(reason: string): Resolution {
  return { kind: 'unknown', reason };
}

function nameOf({ entry, service }: Backing): string {
  return `${entry.identity.namespace}/${service.name}`;
}

interface FoundPort {
  readonly backing?: Backing;
  readonly port: PodPort;
}

/** The first port the service declares; else the first port of its first Kubernetes Service that has one. */
function defaultPort(entry: CatalogEntry): FoundPort | undefined {
  const [declared] = entry.ports;
  if (declared !== undefined) return namedPort(entry, declared, 'application');
  for (const service of entry.services) {
    const [port] = service.ports;
    if (port) return { backing: { entry, service }, port: { name: port.name ?? '' } };
  }
  return undefined;
}

/** A port of a Kubernetes Service by number; else a port of the application that the service declares. */
function namedPort(
  entry: CatalogEntry,
  wanted: number,
  meant: 'any' | 'application' = 'any',
): FoundPort | undefined {
  const find = (matches: (port: ServicePort) => boolean): FoundPort | undefined => {
    for (const service of entry.services) {
      const port = service.ports.find(matches);
      if (port) return { backing: { entry, service }, port: { name: port.name ?? '' } };
    }
    return undefined;
  };
  const byNumber = meant === 'any' ? find(({ port }) => port === wanted) : undefined;
  const byTarget = find(({ targetPort }) => targetPort === wanted);
  return byNumber ?? byTarget ?? (entry.ports.includes(wanted) ? { port: { number: wanted } } : undefined);
}

function serviceTarget(
  scope: IdentityScope,
  service: ServiceIdentity,
  source: ServiceEndpoints,
  endpoints: Target['endpoints'],
): Target {
  let released = false;
  return {
    service,
    spiffeId: serviceSpiffeId(scope, service),
    endpoints,
    onChange: (listener) => source.onChange(listener),
    release: () => {
      if (released) return;
      released = true;
      source.release();
    },
  };
}

function podTarget(scope: IdentityScope, { entry }: Backing, address: string, port: number): Target {
  const endpoints = [{ address, port }];
  return {
    service: entry.identity,
    spiffeId: serviceSpiffeId(scope, entry.identity),
    endpoints: () => endpoints,
    onChange: () => () => undefined,
    release: () => undefined,
  };
}
