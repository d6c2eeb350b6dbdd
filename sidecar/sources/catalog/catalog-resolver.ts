import type { CatalogAddress } from '#core/model/catalog-entry.ts';
import type { ServicePort } from '#core/model/mesh-service.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope, ServiceIdentity } from '#core/spiffe-id.ts';
import type { Clock } from '#base/clock.ts';

import type { IdentitySource } from '../../dataplane/interfaces/identity-source.ts';
import type { Endpoint, Resolution, Resolver, Target } from '../../dataplane/interfaces/resolver.ts';
import type { Trust } from '../trust/trust.ts';
import type { Catalog } from './catalog.ts';
import type { KnownService } from './known-service.ts';
import type { Backing } from './catalog-index.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import type { PodPort, ServiceEndpoints } from './service-endpoints.ts';
import { Waiting } from './waiting.ts';

export interface CatalogResolverDeps {
  readonly catalog: Pick<Catalog, 'index' | 'synced' | 'hasSynced'>;
  readonly pool: EndpointPool;
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
  readonly #deps: CatalogResolverDeps;
  readonly #patienceMs: number;
  readonly #waiting: Waiting;

  constructor(deps: CatalogResolverDeps) {
    this.#deps = deps;
    this.#patienceMs = deps.patienceMs ?? PATIENCE_MS;
    this.#waiting = new Waiting(deps.clock);
  }

  async resolve(address: string, port: number): Promise<Resolution> {
    const patience = this.#patience();
    const scope = await this.#ready(patience);
    if (typeof scope === 'string') return unknown(scope);
    const meaning = this.#deps.catalog.index.meaning(address, port);
    switch (meaning.kind) {
      case 'outside':
        return OUTSIDE;
      case 'ambiguous':
        return unknown(meaning.reason);
      case 'pod':
        if (!(await this.#certified(patience))) return unknown(NO_CERTIFICATE);
        return { kind: 'mesh', target: podTarget(scope, meaning.known, endpointOf(meaning.pod, port)) };
      case 'service': {
        const { backing } = meaning;
        const servicePort = backing.service.ports.find((one) => one.port === port);
        if (!servicePort) return unknown(`the Service ${nameOf(backing)} has no port ${port}`);
        return this.#target(
          scope,
          { backing, port: podPort(servicePort), ipv6: address.includes(':') },
          patience,
        );
      }
    }
  }

  async upstream(service: ServiceIdentity, port?: number): Promise<Resolution> {
    const patience = this.#patience();
    const scope = await this.#ready(patience);
    if (typeof scope === 'string') return unknown(scope);
    const name = `${service.namespace}/${service.service}`;
    const known = this.#deps.catalog.index.byName(service);
    if (!known)
      return unknown(`there is no service ${name} in the mesh, or no Kubernetes Service selects its pods`);
    const [first] = known.services;
    if (!first)
      return unknown(`every Kubernetes Service that selects the pods of ${name} selects those of others too`);
    const found = port === undefined ? defaultPort(known) : namedPort(known, port);
    if (!found) return unknown(`the service ${name} has no port ${port ?? 'at all'}`);
    const backing = { known, service: found.backing?.service ?? first };
    const ipv6 = this.#deps.podIps[0]?.includes(':') ?? false;
    return this.#target(scope, { backing, port: found.port, ipv6 }, patience);
  }

  /** One budget for all the waiting of one connection. */
  #patience(): ResolveDeadline {
    const { clock } = this.#deps;
    const deadline = clock.now() + this.#patienceMs;
    return (awaited) => this.#waiting.within(awaited, Math.max(0, deadline - clock.now()));
  }

  /** What the mesh is called, once all services were read; else why that cannot be said. */
  async #ready(patience: ResolveDeadline): Promise<IdentityScope | string> {
    const { catalog, trust } = this.#deps;
    if (!catalog.hasSynced && !(await patience(catalog.synced))) {
      return 'the services of the mesh have not been read from the API server yet';
    }
    const state = trust.current() ?? (await this.#appears(trust, patience));
    return state?.settings ?? 'the settings of the mesh have not been read from the API server yet';
  }

  async #target(
    scope: IdentityScope,
    wanted: { readonly backing: Backing; readonly port: PodPort; readonly ipv6: boolean },
    patience: ResolveDeadline,
  ): Promise<Resolution> {
    const { backing, port, ipv6 } = wanted;
    const { identity } = backing.known;
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

  async #certified(patience: ResolveDeadline): Promise<boolean> {
    const { identity } = this.#deps;
    return (identity.current() ?? (await this.#appears(identity, patience))) !== undefined;
  }

  /** Waits until a source has something. */
  async #appears<T>(source: Source<T>, patience: ResolveDeadline): Promise<T | undefined> {
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
type ResolveDeadline = (awaited: Promise<unknown>) => Promise<boolean>;

interface Source<T> {
  current(): T | undefined;
  onChange(listener: () => void): () => void;
}

function unknown(reason: string): Resolution {
  return { kind: 'unknown', reason };
}

function nameOf({ known, service }: Backing): string {
  return `${known.identity.namespace}/${service.name}`;
}

interface FoundPort {
  readonly backing?: Backing;
  readonly port: PodPort;
}

function podPort({ name, targetPort }: ServicePort): PodPort {
  return { name: name ?? '', target: targetPort };
}

/** The first port the service declares; else the first port of its first Kubernetes Service that has one. */
function defaultPort(known: KnownService): FoundPort | undefined {
  const [declared] = known.ports;
  if (declared !== undefined) return namedPort(known, declared, 'application');
  for (const service of known.services) {
    const [port] = service.ports;
    if (port) return { backing: { known, service }, port: podPort(port) };
  }
  return undefined;
}

/** A port of a Kubernetes Service by number; else a port of the application that the service declares. */
function namedPort(
  known: KnownService,
  wanted: number,
  meant: 'any' | 'application' = 'any',
): FoundPort | undefined {
  const find = (matches: (port: ServicePort) => boolean): FoundPort | undefined => {
    for (const service of known.services) {
      const port = service.ports.find(matches);
      if (port) return { backing: { known, service }, port: podPort(port) };
    }
    return undefined;
  };
  const byNumber = meant === 'any' ? find(({ port }) => port === wanted) : undefined;
  const byTarget = find(({ targetPort }) => targetPort === wanted);
  return byNumber ?? byTarget ?? (known.ports.includes(wanted) ? { port: { number: wanted } } : undefined);
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

/** A pod that is called by its own address, as members of a StatefulSet do, means that very pod, ready or not. */
function podTarget(scope: IdentityScope, { identity }: KnownService, endpoint: Endpoint): Target {
  const endpoints = [endpoint];
  return {
    service: identity,
    spiffeId: serviceSpiffeId(scope, identity),
    endpoints: () => endpoints,
    onChange: () => () => undefined,
    release: () => undefined,
  };
}

function endpointOf({ address, sidecarPort }: CatalogAddress, port: number): Endpoint {
  return { address, port, ...(sidecarPort === undefined ? {} : { peerPort: sidecarPort }) };
}
