import type { CatalogEntry } from '#core/model/catalog-entry.ts';
import type { NamespaceName } from '#core/names.ts';
import { objectKey } from '#core/resource.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { Reflector } from '#kube/watch/reflector.ts';
import type { ReflectorStats } from '#kube/watch/reflector.ts';
import { CATALOG_ENTRIES } from '#kube/types.ts';

import { ChangeEmitter } from '#base/change-emitter.ts';
import { CatalogIndex } from './catalog-index.ts';
import { knownService } from './known-service.ts';
import type { KnownService } from './known-service.ts';

export interface CatalogDeps {
  readonly api: Pick<KubeApi, 'list' | 'watch'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where the operator publishes it. */
  readonly meshNamespace: NamespaceName;
  readonly forbiddenCapMs?: number;
}

/** Services that are kept: beyond what a mesh has, and little enough for the memory that the chart gives a sidecar. */
const MAX_SERVICES = 50_000;

/** How all services of the mesh are reached, as the operator publishes it, in little memory. */
export class Catalog {
  readonly index = new CatalogIndex();
  readonly #reflector: Reflector<CatalogEntry, KnownService>;
  readonly #listeners = new ChangeEmitter();

  constructor({ meshNamespace, ...deps }: CatalogDeps) {
    this.#reflector = new Reflector<CatalogEntry, KnownService>({
      ...deps,
      type: CATALOG_ENTRIES,
      selection: { namespace: meshNamespace },
      limits: { total: MAX_SERVICES },
      transform: (entry) => knownService(entry, this.#reflector.items.get(objectKey(entry))),
      onChange: (items, changed) => {
        for (const key of changed) this.index.set(key.slice(meshNamespace.length + 1), items.get(key));
        this.#listeners.emit();
      },
    });
  }

  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
  }

  /** Resolves when everything was read once. Never rejects. */
  get synced(): Promise<void> {
    return this.#reflector.synced;
  }

  get hasSynced(): boolean {
    return this.#reflector.hasSynced;
  }

  get stats(): ReflectorStats {
    return this.#reflector.stats;
  }

  /** Calls `listener` after any service changed. */
  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }
}
