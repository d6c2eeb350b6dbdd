import type { NamespaceName, ServiceName } from '#core/names.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';

import type { OwnService } from '../seams/own-service.ts';
import type { Upstream } from '../seams/upstream.ts';
import type { Catalog } from './catalog.ts';
import type { CatalogEntry } from './catalog-entry.ts';

export interface OwnServiceOptions {
  readonly catalog: Pick<Catalog, 'own' | 'onOwnChange'>;
  readonly identity: ServiceIdentity;
  /** Names of this pod's container ports. */
  readonly containerPorts: ReadonlyMap<string, number>;
  /** Upstreams from the pod's annotation. */
  readonly upstreams: readonly Upstream[];
}

/** What the own MeshService says about this pod. Closed (`strict`, no port) until it was read. */
export class OwnServiceView implements OwnService {
  readonly identity: ServiceIdentity;
  readonly #options: OwnServiceOptions;
  #entry: CatalogEntry | undefined;
  #ports: readonly number[] = [];
  #portSet: ReadonlySet<number> = new Set();

  constructor(options: OwnServiceOptions) {
    this.identity = options.identity;
    this.#options = options;
  }

  declaredPorts(): ReadonlySet<number> {
    this.#read();
    return this.#portSet;
  }

  defaultPort(): number | undefined {
    this.#read();
    return this.#ports[0];
  }

  mtls(): 'strict' | 'permissive' {
    return this.#options.catalog.own?.own?.mtls ?? 'strict';
  }

  /** Upstreams of the annotation, then those of the MeshService whose local ports are still free. */
  upstreams(): readonly Upstream[] {
    const { catalog, identity, upstreams } = this.#options;
    const taken = new Set(upstreams.map(({ localPort }) => localPort));
    const more: Upstream[] = [];
    for (const { service, namespace, localPort, port } of catalog.own?.own?.upstreams ?? []) {
      if (taken.has(localPort)) continue;
      taken.add(localPort);
      const who = {
        namespace: (namespace ?? identity.namespace) as NamespaceName,
        service: service as ServiceName,
      };
      more.push({ localPort, service: who, ...(port === undefined ? {} : { port }) });
    }
    return [...upstreams, ...more];
  }

  onChange(listener: () => void): () => void {
    return this.#options.catalog.onOwnChange(listener);
  }

  #read(): void {
    const entry = this.#options.catalog.own;
    if (entry === this.#entry) return;
    this.#entry = entry;
    this.#ports = entry ? appPorts(entry, this.#options.containerPorts) : [];
    this.#portSet = new Set(this.#ports);
  }
}

function appPorts(entry: CatalogEntry, names: ReadonlyMap<string, number>): readonly number[] {
  if (entry.ports.length > 0) return entry.ports;
  const targets = entry.services.flatMap(({ ports }) => ports.map(({ targetPort }) => targetPort));
  return targets.flatMap((target) => {
    const port = typeof target === 'number' ? target : names.get(target);
    return port === undefined ? [] : [port];
  });
}
