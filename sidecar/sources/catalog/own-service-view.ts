import type { NamespaceName, ServiceName } from '#core/names.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';

import type { OwnService } from '../../dataplane/interfaces/own-service.ts';
import type { Upstream } from '../../config/upstream.ts';
import type { Catalog } from './catalog.ts';
import type { KnownService } from './known-service.ts';
import type { OwnMeshService, OwnSettings } from './own-mesh-service.ts';

export interface OwnServiceOptions {
  readonly catalog: Pick<Catalog, 'index' | 'onChange'>;
  readonly settings: Pick<OwnMeshService, 'current' | 'onChange'>;
  readonly identity: ServiceIdentity;
  /** Names of this pod's container ports. */
  readonly containerPorts: ReadonlyMap<string, number>;
  /** Upstreams from the pod's annotation. */
  readonly upstreams: readonly Upstream[];
}

/**
 * What the own MeshService, and the Kubernetes Services before it, say about this pod. Closed (`strict`, no port) until they were read.
 */
export class OwnServiceView implements OwnService {
  readonly identity: ServiceIdentity;
  readonly #options: OwnServiceOptions;
  #known: KnownService | undefined;
  #settings: OwnSettings | undefined;
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
    return this.#options.settings.current?.mtls ?? 'strict';
  }

  /** Upstreams of the annotation, then those of the MeshService whose local ports are still free. */
  upstreams(): readonly Upstream[] {
    const { settings, identity, upstreams } = this.#options;
    const taken = new Set(upstreams.map(({ localPort }) => localPort));
    const more: Upstream[] = [];
    for (const { service, namespace, localPort, port } of settings.current?.upstreams ?? []) {
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
    const { catalog, settings, identity } = this.#options;
    let known = catalog.index.byName(identity);
    const ends = [
      settings.onChange(listener),
      catalog.onChange(() => {
        const now = catalog.index.byName(identity);
        if (now === known) return;
        known = now;
        listener();
      }),
    ];
    return () => ends.forEach((end) => end());
  }

  #read(): void {
    const { catalog, settings, identity, containerPorts } = this.#options;
    const known = catalog.index.byName(identity);
    if (known === this.#known && settings.current === this.#settings) return;
    this.#known = known;
    this.#settings = settings.current;
    this.#ports = appPorts(known, settings.current, containerPorts);
    this.#portSet = new Set(this.#ports);
  }
}

/** What the MeshService declares; else where its Kubernetes Services lead. */
function appPorts(
  known: KnownService | undefined,
  settings: OwnSettings | undefined,
  names: ReadonlyMap<string, number>,
): readonly number[] {
  if (settings && settings.ports.length > 0) return settings.ports;
  const targets = (known?.services ?? []).flatMap(({ ports }) => ports.map(({ targetPort }) => targetPort));
  return targets.flatMap((target) => {
    const port = typeof target === 'number' ? target : names.get(target);
    return port === undefined ? [] : [port];
  });
}
