import { LABELS, MESH_CONFIG_NAME } from '#core/constants.ts';
import type { KubeObject } from '#core/resource.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import {
  CATALOG_ENTRIES,
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
import { ACCESS_NAME, WEBHOOK_NAME } from '../config/names.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import { pruneIntention, pruneMeshService } from '../resources/mesh.ts';
import { pruneMeta } from '../resources/pod.ts';
import { prunePod } from '../resources/prune-pod.ts';
import { pruneLeftOut, pruneUnlessAsking } from '../resources/prune-uninjected.ts';
import { pruneService } from '../resources/service.ts';

export interface CachesDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'cacheObjects' | 'cacheLeftOut' | 'cacheLastSync'>;
  readonly meshNamespace: string;
  /** Whether all pods are watched, for those that missed their injection. */
  readonly watchAllPods: boolean;
}

const MEBIBYTE = 1_048_576;
/**
 * What is kept of the objects that whoever may write in a namespace can make, as JSON: far above what namespaces hold, and little
 * enough that one of them alone cannot fill the memory that the chart gives the operator.
 */
const SHARE = { namespaceBytes: 4 * MEBIBYTE };
const PODS_SHARE = { namespaceBytes: 8 * MEBIBYTE };

/** Everything the operator keeps a copy of. Every replica has it, so that a new leader starts with what it needs. */
export class Caches {
  readonly #deps: CachesDeps;
  readonly #list: Cache<KubeObject>[] = [];

  readonly intentions;
  readonly meshServices;
  readonly meshConfigs;
  /** What is published of how services are reached. */
  readonly catalogEntries;
  readonly namespaces;
  /** Injected pods. */
  readonly pods;
  readonly services;
  readonly roleBindings;
  readonly clusterRoleBindings;
  readonly mutatingWebhooks;
  readonly validatingWebhooks;
  /** Pods that injection left out although their namespace asks for the mesh. */
  readonly leftOutPods;
  /** Pods that mention injection, injected or not; undefined where nobody needs them. */
  readonly askingPods;

  constructor(deps: CachesDeps) {
    this.#deps = deps;
    this.intentions = this.#cache({ type: INTENTIONS, transform: pruneIntention, limits: SHARE });
    this.meshServices = this.#cache({ type: MESH_SERVICES, transform: pruneMeshService, limits: SHARE });
    this.meshConfigs = this.#cache({ type: MESH_CONFIGS, selection: named(MESH_CONFIG_NAME) });
    this.catalogEntries = this.#cache({
      type: CATALOG_ENTRIES,
      selection: { namespace: deps.meshNamespace },
      transform: ({ metadata, spec }) => ({ metadata: pruneMeta(metadata), ...(spec ? { spec } : {}) }),
    });
    this.namespaces = this.#cache({
      type: NAMESPACES,
      transform: ({ metadata }) => ({ metadata: pruneMeta(metadata) }),
    });
    this.pods = this.#cache({
      type: PODS,
      selection: { labelSelector: LABELS.injected },
      transform: prunePod,
      limits: PODS_SHARE,
    });
    this.services = this.#cache({ type: SERVICES, transform: pruneService, limits: SHARE });
    this.leftOutPods = this.#cache({
      type: PODS,
      name: 'PodLeftOut',
      selection: { labelSelector: LABELS.leftOut },
      transform: pruneLeftOut,
      limits: PODS_SHARE,
    });
    this.roleBindings = this.#cache({ type: ROLE_BINDINGS, selection: named(ACCESS_NAME) });
    this.clusterRoleBindings = this.#cache({ type: CLUSTER_ROLE_BINDINGS, selection: named(ACCESS_NAME) });
    this.mutatingWebhooks = this.#cache({ type: MUTATING_WEBHOOKS, selection: named(WEBHOOK_NAME) });
    this.validatingWebhooks = this.#cache({ type: VALIDATING_WEBHOOKS, selection: named(WEBHOOK_NAME) });
    this.askingPods = deps.watchAllPods
      ? this.#cache({
          type: PODS,
          name: 'PodAsking',
          transform: (pod) => pruneUnlessAsking(pod, prunePod),
          limits: PODS_SHARE,
        })
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
    const { cacheObjects, cacheLeftOut, cacheLastSync } = this.#deps.metrics;
    for (const cache of this.#list) {
      cacheObjects.set({ kind: cache.name }, cache.size);
      cacheLeftOut.set({ kind: cache.name }, cache.leftOut);
      if (cache.lastSyncAt !== undefined) cacheLastSync.set({ kind: cache.name }, cache.lastSyncAt / 1000);
    }
  }

  #cache<T extends KubeObject>(
    options: Pick<CacheOptions<T>, 'type' | 'name' | 'selection' | 'transform' | 'limits'>,
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
