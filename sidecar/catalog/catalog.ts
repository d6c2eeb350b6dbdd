import type { MeshService } from '#core/model/mesh-service.ts';
import { objectKey } from '#core/resource.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#kube/clock.ts';
import type { Logger } from '#kube/log.ts';
import { Reflector } from '#kube/reflector.ts';
import type { ReflectorStats } from '#kube/reflector.ts';
import { MESH_SERVICES } from '#kube/types.ts';

import { Listeners } from '../seams/listeners.ts';
import { catalogEntry } from './catalog-entry.ts';
import type { CatalogEntry } from './catalog-entry.ts';
import { CatalogIndex } from './catalog-index.ts';

export interface CatalogDependencies {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** The service this pod stands for. */
  readonly own: ServiceIdentity;
  readonly forbiddenCapMs?: number;
}

/** All services of the mesh, kept as the API server has them, in little memory. */
export class Catalog {
  readonly index = new CatalogIndex();
  readonly #reflector: Reflector<MeshService, CatalogEntry>;
  readonly #ownKey: string;
  readonly #ownListeners = new Listeners();

  constructor(deps: CatalogDependencies) {
    const { own, ...rest } = deps;
    this.#ownKey = `${own.namespace}/${own.service}`;
    this.#reflector = new Reflector<MeshService, CatalogEntry>({
      ...rest,
      type: MESH_SERVICES,
      transform: (service) => {
        const key = objectKey(service);
        return catalogEntry(service, key === this.#ownKey, this.#reflector.items.get(key));
      },
      onChange: (items, changed) => this.#changed(items, changed),
    });
  }

  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
  }

  /** Resolves when all services were read once. Never rejects. */
  get synced(): Promise<void> {
    return this.#reflector.synced;
  }

  get hasSynced(): boolean {
    return this.#reflector.hasSynced;
  }

  get stats(): ReflectorStats {
    return this.#reflector.stats;
  }

  /** The entry of the own service; undefined while it does not exist. */
  get own(): CatalogEntry | undefined {
    return this.index.byKey(this.#ownKey);
  }

  /** Calls `listener` after the own service changed in anything that matters. */
  onOwnChange(listener: () => void): () => void {
    return this.#ownListeners.add(listener);
  }

  #changed(items: ReadonlyMap<string, CatalogEntry>, changed: ReadonlySet<string>): void {
    const before = this.own;
    for (const key of changed) this.index.set(key, items.get(key));
    if (this.own !== before) this.#ownListeners.emit();
  }
}
