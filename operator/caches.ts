import { LABELS, MANAGED_BY_VALUE, MESH_CONFIG_NAME } from '#core/constants.ts';
import type { KubeObject } from '#core/resource.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#kube/clock.ts';
import type { Logger } from '#kube/log.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  INTENTIONS,
  MESH_CONFIGS,
  MESH_SERVICES,
  MUTATING_WEBHOOKS,
  NAMESPACES,
  PODS,
  ROLE_BINDINGS,
  SERVICES,
  VALIDATING_WEBHOOKS,
} from '#kube/types.ts';

import { Cache } from './cache.ts';
import type { CacheOptions } from './cache.ts';
import { WEBHOOK_NAME } from './constants.ts';
import { pruneUnlessAsking } from './controllers/missed-injection/decide.ts';
import type { OperatorMetrics } from './metrics.ts';
import { pruneMeta, prunePod } from './resources/pod.ts';
import { pruneService } from './resources/service.ts';

export interface CachesDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'cacheObjects' | 'cacheLastSync'>;
  /** Whether all pods are watched, for those that missed their injection. */
  readonly watchAllPods: boolean;
}

const OURS = { labelSelector: `${LABELS.managedBy}=${MANAGED_BY_VALUE}` };

/** Everything the operator keeps a copy of. Every replica has it, so that a new leader starts with what it needs. */
export class Caches {
  readonly #deps: CachesDeps;
  readonly #list: Cache<KubeObject>[] = [];

  readonly intentions;
  readonly meshServices;
  readonly meshConfigs;
  readonly namespaces;
  /** Injected pods. */
  readonly pods;
  readonly services;
  readonly roleBindings;
  readonly clusterRoleBindings;
  readonly mutatingWebhooks;
  readonly validatingWebhooks;
  /** Pods that mention injection, injected or not; undefined where nobody needs them. */
  readonly askingPods;

  constructor(deps: CachesDeps) {
    this.#deps = deps;
    this.intentions = this.#cache({ type: INTENTIONS });
    this.meshServices = this.#cache({ type: MESH_SERVICES });
    this.meshConfigs = this.#cache({ type: MESH_CONFIGS, selection: named(MESH_CONFIG_NAME) });
    this.namespaces = this.#cache({
      type: NAMESPACES,
      transform: ({ metadata }) => ({ metadata: pruneMeta(metadata) }),
    });
    this.pods = this.#cache({
      type: PODS,
      selection: { labelSelector: LABELS.injected },
      transform: prunePod,
    });
    this.services = this.#cache({ type: SERVICES, transform: pruneService });
    this.roleBindings = this.#cache({ type: ROLE_BINDINGS, selection: OURS });
    this.clusterRoleBindings = this.#cache({ type: CLUSTER_ROLE_BINDINGS, selection: OURS });
    this.mutatingWebhooks = this.#cache({ type: MUTATING_WEBHOOKS, selection: named(WEBHOOK_NAME) });
    this.validatingWebhooks = this.#cache({ type: VALIDATING_WEBHOOKS, selection: named(WEBHOOK_NAME) });
    this.askingPods = deps.watchAllPods
      ? this.#cache({ type: PODS, name: 'PodAsking', transform: (pod) => pruneUnlessAsking(pod, prunePod) })
      : undefined;
  }

  start(): void {
    for (const cache of this.#list) cache.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#list.map((cache) => cache.stop()));
  }

  /** Resolves when every cache holds its first list. */
  async synced(): Promise<void> {
    await Promise.all(this.#list.map((cache) => cache.synced));
  }

  /** Which kinds have not been read yet, as a sentence; undefined when all have. */
  fault(): string | undefined {
    const missing = this.#list.filter((cache) => !cache.hasSynced).map(({ name }) => name);
    return missing.length > 0 ? `not read yet: ${missing.join(', ')}` : undefined;
  }

  /** Sets the gauges; called before each scrape. */
  measure(): void {
    const { cacheObjects, cacheLastSync } = this.#deps.metrics;
    for (const cache of this.#list) {
      cacheObjects.set({ kind: cache.name }, cache.size);
      if (cache.lastSyncAt !== undefined) cacheLastSync.set({ kind: cache.name }, cache.lastSyncAt / 1000);
    }
  }

  #cache<T extends KubeObject>(
    options: Pick<CacheOptions<T>, 'type' | 'name' | 'selection' | 'transform'>,
  ): Cache<T> {
    const { api, clock, log } = this.#deps;
    const cache = new Cache<T>({ ...options, api, clock, log });
    this.#list.push(cache as unknown as Cache<KubeObject>);
    return cache;
  }
}

function named(name: string) {
  return { fieldSelector: `metadata.name=${name}` };
}
