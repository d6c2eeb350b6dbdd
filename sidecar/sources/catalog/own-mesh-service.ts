import type { MeshService } from '#core/model/mesh-service.ts';
import { isDnsLabel } from '#core/names.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { Reflector } from '#kube/watch/reflector.ts';
import type { ReflectorStats } from '#kube/watch/reflector.ts';
import { MESH_SERVICES } from '#kube/types.ts';

import { ChangeEmitter } from '#base/change-emitter.ts';

/** What a service's own MeshService says about it. */
export interface OwnSettings {
  readonly mtls: 'strict' | 'permissive';
  /** Application ports that it declares; empty when it declares none. */
  readonly ports: readonly number[];
  readonly upstreams: readonly {
    readonly service: string;
    readonly namespace?: string;
    readonly localPort: number;
    readonly port?: number;
  }[];
}

export interface OwnMeshServiceDeps {
  readonly api: Pick<KubeApi, 'list' | 'watch'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** The service this pod stands for. */
  readonly own: ServiceIdentity;
  readonly forbiddenCapMs?: number;
}

/** The MeshService of the pod's own service, and no other: those of others are none of its business. */
export class OwnMeshService {
  readonly #reflector: Reflector<MeshService, OwnSettings>;
  readonly #listeners = new ChangeEmitter();
  #current: OwnSettings | undefined;

  constructor({ own, ...deps }: OwnMeshServiceDeps) {
    this.#reflector = new Reflector<MeshService, OwnSettings>({
      ...deps,
      type: MESH_SERVICES,
      selection: { namespace: own.namespace, fieldSelector: `metadata.name=${own.service}` },
      transform: ownSettings,
      onChange: (items) => this.#take([...items.values()][0]),
    });
  }

  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
  }

  /** Resolves when it was read once, there or not. Never rejects. */
  get synced(): Promise<void> {
    return this.#reflector.synced;
  }

  get hasSynced(): boolean {
    return this.#reflector.hasSynced;
  }

  get stats(): ReflectorStats {
    return this.#reflector.stats;
  }

  /** Undefined while it does not exist. */
  get current(): OwnSettings | undefined {
    return this.#current;
  }

  /** Calls `listener` after anything changed that is kept here; a write of the object's status is no change. */
  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  #take(settings: OwnSettings | undefined): void {
    if (JSON.stringify(settings) === JSON.stringify(this.#current)) return;
    this.#current = settings;
    this.#listeners.emit();
  }
}

/** Read without trusting that the object has the shape of its schema: another version may have written it. */
function ownSettings({ spec }: MeshService): OwnSettings {
  return {
    mtls: spec?.mtls === 'permissive' ? 'permissive' : 'strict',
    ports: (spec?.ports ?? []).map(({ port }) => port).filter(isPort),
    upstreams: (spec?.upstreams ?? [])
      .filter(
        ({ service, namespace, localPort }) =>
          isDnsLabel(service) && (namespace === undefined || isDnsLabel(namespace)) && isPort(localPort),
      )
      .map(({ service, namespace, localPort, port }) => ({
        service,
        ...(namespace === undefined ? {} : { namespace }),
        localPort,
        ...(port === undefined ? {} : { port }),
      })),
  };
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535;
}
