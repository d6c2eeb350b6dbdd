import type { ServicePort } from '#core/model/mesh-service.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope, ServiceIdentity } from '#core/spiffe-id.ts';
import type { Clock } from '#kube/clock.ts';

import type { IdentitySource } from '../seams/identity-source.ts';
import type { Endpoint, Resolution, Resolver, Target } from '../seams/resolver.ts';
import type { Trust } from '../trust/trust.ts';
import type { Catalog } from './catalog.ts';
import type { CatalogEntry } from './catalog-entry.ts';
import type { Backing } from './catalog-index.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { PodIndex } from './pod-index.ts';
import type { PodPort, ServiceEndpoints } from './service-endpoints.ts';
import { Waiting } from './waiting.ts';

export interface ResolverDependencies {
  readonly catalog: Pick<Catalog, 'index' | 'synced' | 'hasSynced'>;
  readonly pool: EndpointPool;
  readonly pods: PodIndex;
  readonly trust: Pick<Trust, 'current' | 'onChange'>;
  /** Nothing goes to the mesh without a certificate; connections of the first moments wait for it. */
  readonly identity: Pick<IdentitySource, 'current' | 'onChange'>;
  readonly clock: Clock;
  /** Addresses of this pod: their first says which family upstreams prefer. */
  readonly podIps: readonly string[];
  /** How long a connection waits for what is not there yet, all together, milliseconds. Default 4.5 seconds. */
  readonly patienceMs?: number;
}

/** Below the time the data path itself gives us, so that the reason is ours and not just "too late". */
const PATIENCE_MS = 4_500;
const OUTSIDE: Resolution = Object.freeze({ kind: 'outside' });

/** Finds what lies behind an address or a name, by what the API server says; refuses what it cannot say in time. */
export class CatalogResolver implements Resolver {
  readonly #deps: ResolverDependencies;
  readonly #patienceMs: number;
  readonly #waiting: Waiting;

  constructor(deps: ResolverDependencies) {
    this.#deps = deps;
    this.#patienceMs = deps.patienceMs ?? PATIENCE_MS;
    this.#waiting = new Waiting(deps.clock);
  }

  async resolve(address: string, port: number): Promise<Resolution> {
    const patience = this.#patience();
    const scope = await this.#ready(patience);
    if (typeof scope === 'string') return unknown(scope);
    const { index } = this.#deps.catalog;
    const backing = index.byClusterIp(address);
    if (backing) {
      const servicePort = backing.service.ports.find((one) => one.port === port);
      if (!servicePort) return unknown(`the Service ${nameOf(backing)} has no port ${port}`);
      return this.#target(
        scope,
        { backing, port: podPort(servicePort), ipv6: address.includes(':') },
        patience,
      );
    }
    if (!index.hasHeadless) return OUTSIDE;
    return this.#pod(scope, { address, port }, patience);
  }

  async upstream(service: ServiceIdentity, port?: number): Promise<Resolution> {
    const patience = this.#patience();
    const scope = await this.#ready(patience);
    if (typeof scope === 'string') return unknown(scope);
    const name = `${service.namespace}/${service.service}`;
    const entry = this.#deps.catalog.index.byName(service);
    if (!entry) return unknown(`there is no service ${name} in the mesh (no MeshService of that name)`);
    const [first] = entry.services;
    if (!first) return unknown(`no Kubernetes Service selects the pods of ${name}, so they cannot be found`);
    const found = port === undefined ? defaultPort(entry) : namedPort(entry, port);
    if (!found) return unknown(`the service ${name} has no port ${port ?? 'at all'}`);
    const backing = { entry, service: found.backing?.service ?? first };
    const ipv6 = this.#deps.podIps[0]?.includes(':') ?? false;
    return this.#target(scope, { backing, port: found.port, ipv6 }, patience);
  }

  /** One budget for all the waiting of one connection. */
  #patience(): Patience {
    const { clock } = this.#deps;
    const deadline = clock.now() + this.#patienceMs;
    return (awaited) => this.#waiting.within(awaited, Math.max(0, deadline - clock.now()));
  }

  /** What the mesh is called, once all services were read; else why that cannot be said. */
  async #ready(patience: Patience): Promise<IdentityScope | string> {
    const { catalog, trust } = this.#deps;
    if (!catalog.hasSynced && !(await patience(catalog.synced))) {
      return 'the services of the mesh have not been read from the API server yet';
    }
    const state = trust.current() ?? (await this.#appears(trust, patience));
    return state?.settings ?? 'the settings of the mesh have not been read from the API server yet';
  }

  /** A pod called by its own address, as members of a StatefulSet do: that very pod is meant, ready or not. */
  async #pod(
    scope: IdentityScope,
    { address, port }: { readonly address: string; readonly port: number },
    patience: Patience,
  ): Promise<Resolution> {
    const { pods, catalog } = this.#deps;
    pods.start();
    if (!(await patience(pods.synced))) {
      return unknown('the pods of headless Services have not been read from the API server yet');
    }
    for (const { namespace, service, peerPort } of pods.servicesOf(address, port)) {
      const backing = catalog.index.byKubernetesService(namespace, service);
      if (!backing) continue;
      if (!(await this.#certified(patience))) return unknown(NO_CERTIFICATE);
      return {
        kind: 'mesh',
        target: podTarget(scope, backing, { address, port, ...(peerPort ? { peerPort } : {}) }),
      };
    }
    return OUTSIDE;
  }

  async #target(
    scope: IdentityScope,
    wanted: { readonly backing: Backing; readonly port: PodPort; readonly ipv6: boolean },
    patience: Patience,
  ): Promise<Resolution> {
    const { backing, port, ipv6 } = wanted;
    const { identity } = backing.entry;
    if (!(await this.#certified(patience))) return unknown(NO_CERTIFICATE);
    const endpoints = this.#deps.pool.acquire(identity.namespace, backing.service.name);
    if (!(await patience(endpoints.synced))) {
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

  async #certified(patience: Patience): Promise<boolean> {
    const { identity } = this.#deps;
    return (identity.current() ?? (await this.#appears(identity, patience))) !== undefined;
  }

  /** Waits until a source has something. */
  async #appears<T>(source: Source<T>, patience: Patience): Promise<T | undefined> {
    let unsubscribe = (): void => undefined;
    const appeared = new Promise<void>((resolve) => {
      unsubscribe = source.onChange(() => source.current() !== undefined && resolve());
    });
    await patience(appeared);
    unsubscribe();
    return source.current();
  }
}

const NO_CERTIFICATE = 'this sidecar has no certificate yet';

/** Whether what is awaited came before the connection's patience was over. */
type Patience = (awaited: Promise<unknown>) => Promise<boolean>;

interface Source<T> {
  current(): T | undefined;
  onChange(listener: () => void): () => void;
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

function podPort({ name, targetPort }: ServicePort): PodPort {
  return { name: name ?? '', target: targetPort };
}

/** The first port the service declares; else the first port of its first Kubernetes Service that has one. */
function defaultPort(entry: CatalogEntry): FoundPort | undefined {
  const [declared] = entry.ports;
  if (declared !== undefined) return namedPort(entry, declared, 'application');
  for (const service of entry.services) {
    const [port] = service.ports;
    if (port) return { backing: { entry, service }, port: podPort(port) };
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
      if (port) return { backing: { entry, service }, port: podPort(port) };
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

function podTarget(scope: IdentityScope, { entry }: Backing, endpoint: Endpoint): Target {
  const endpoints = [endpoint];
  return {
    service: entry.identity,
    spiffeId: serviceSpiffeId(scope, entry.identity),
    endpoints: () => endpoints,
    onChange: () => () => undefined,
    release: () => undefined,
  };
}
