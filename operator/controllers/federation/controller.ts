import { MESH_CONFIG_NAME } from '#core/constants.ts';
import type { FederationStatus } from '#core/model/federation.ts';
import type { MeshConfig, MeshConfigStatus } from '#core/model/mesh-config.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isConflict, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { MESH_CONFIGS } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';
import { readCertificates } from '#pki/pem.ts';
import { readSpiffeBundle } from '#pki/spiffe-bundle.ts';

import type { ObjectCache } from '../../control-loop/cache.ts';
import { mergeConditions } from '../../control-loop/conditions.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import type { Events } from '../../control-loop/events.ts';
import { same } from '../../control-loop/matches.ts';
import type { OperatorMetrics } from '../../metrics/metrics.ts';
import type { BundleSource } from './bundle-source.ts';
import { endpointAuthorities, fetchedDomains, foreignDomains } from './foreign.ts';
import type { Foreign } from './foreign.ts';
import { ownBundle } from '../../federation/own-bundle.ts';
import { MISSES_TO_TELL, federationCondition, latest, refreshMs, retryMs, take } from './plan.ts';
import type { Taken } from './plan.ts';

export interface FederationControllerDeps {
  readonly api: KubeApi;
  readonly meshConfigs: ObjectCache<MeshConfig>;
  readonly source: BundleSource;
  readonly scope: IdentityScope;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'federationFetches' | 'federationLastFetch' | 'statusWrites'>;
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
}

/** What is known of one beyond what the status says. Lost with the leader's lease: the next one looks at once. */
interface Watched {
  readonly source: string;
  readonly status: FederationStatus | undefined;
  readonly nextAt: number;
  readonly misses: number;
}

type FetchOutcome =
  | (Exclude<Taken, { result: 'refused' }> & { readonly refreshHint: number | undefined })
  | { readonly result: 'refused' | 'failed'; readonly message: string };

const CONFLICT_MS = 200;
const CONDITION = 'FederationReady';

/**
 * Fetches the bundles of foreign trust domains, again and again, and publishes what they have become; and counts the versions of our
 * own. What was fetched last holds while an endpoint is away. Writes only when something is new: every sidecar hears of it.
 */
export class FederationController implements ControllerDuty {
  readonly name = 'federation';
  readonly #deps: FederationControllerDeps;
  readonly #watched = new Map<string, Watched>();

  constructor(deps: FederationControllerDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const { meshConfigs, metrics } = this.#deps;
    // Whoever leads no more must not look like one whose endpoints have been silent since.
    return [meshConfigs.subscribe(() => add(MESH_CONFIG_NAME)), () => metrics.federationLastFetch.reset()];
  }

  keys(): Iterable<string> {
    return [MESH_CONFIG_NAME];
  }

  async reconcile(_key: string, signal: AbortSignal): Promise<Requeue | void> {
    const { meshConfigs, scope, clock } = this.#deps;
    const config = meshConfigs.get(MESH_CONFIG_NAME);
    // Not published yet: that comes first, and brings us back.
    if (!config?.status) return;
    const foreign = foreignDomains(config, scope);
    this.#forget(foreign);
    const now = clock.now();
    const due = foreign.filter((one) => this.#isDue(one, now));
    await Promise.all(due.map((one) => this.#look(config, one, signal)));
    if (!(await this.#write())) return { requeueAfterMs: CONFLICT_MS };
    const next = foreign.map(({ trustDomain }) => this.#watched.get(trustDomain)?.nextAt ?? now);
    if (next.length > 0) return { requeueAfterMs: Math.max(1, Math.min(...next) - clock.now()) };
  }

  #isDue({ trustDomain, source }: Foreign, now: number): boolean {
    const watched = this.#watched.get(trustDomain);
    return watched?.source !== source || watched.nextAt <= now;
  }

  #forget(foreign: readonly Foreign[]): void {
    for (const trustDomain of this.#watched.keys()) {
      if (foreign.some((one) => one.trustDomain === trustDomain)) continue;
      this.#watched.delete(trustDomain);
      this.#deps.metrics.federationLastFetch.remove({ trust_domain: trustDomain });
      this.#deps.log.info({ trustDomain }, 'a trust domain is not federated any more');
    }
  }

  #known(config: MeshConfig, trustDomain: string): FederationStatus | undefined {
    const published = config.status?.federation?.find((status) => status.trustDomain === trustDomain);
    return latest(this.#watched.get(trustDomain)?.status, published);
  }

  /** Asks one endpoint, and keeps what it says. Never rejects, but for the signal. */
  async #look(config: MeshConfig, one: Foreign, signal: AbortSignal): Promise<void> {
    const { clock, metrics, random } = this.#deps;
    const { trustDomain, source } = one;
    const previous = this.#known(config, trustDomain);
    const watched = this.#watched.get(trustDomain);
    const misses = (watched?.source === source ? watched.misses : 0) + 1;
    const answer = await this.#ask(config, one, previous, signal);
    metrics.federationFetches.inc({ trust_domain: trustDomain, result: answer.result });
    this.#log(one, answer);
    if ('status' in answer) {
      const { status, refreshHint } = answer;
      const nextAt = clock.now() + refreshMs(refreshHint, random());
      this.#watched.set(trustDomain, { source, status, nextAt, misses: 0 });
      this.#tell(config, trustDomain, previous, status);
      return;
    }
    const hasBundle = previous?.bundle !== undefined && previous.endpoint === source;
    const isNews = !hasBundle || answer.result === 'refused' || misses >= MISSES_TO_TELL;
    const status = isNews ? { ...(previous ?? { trustDomain }), message: answer.message } : previous;
    const nextAt = clock.now() + retryMs(misses, hasBundle, random());
    this.#watched.set(trustDomain, { source, status, nextAt, misses });
    this.#tell(config, trustDomain, previous, status);
  }

  async #ask(
    config: MeshConfig,
    one: Foreign,
    previous: FederationStatus | undefined,
    signal: AbortSignal,
  ): Promise<FetchOutcome> {
    const { clock, metrics, source: fetch } = this.#deps;
    const { trustDomain, source, endpoint } = one;
    try {
      const text = await fetch(endpoint, endpointAuthorities(config, one, previous), signal);
      metrics.federationLastFetch.set({ trust_domain: trustDomain }, Math.floor(clock.now() / 1000));
      const bundle = readSpiffeBundle(text);
      const taken = take(previous, bundle, { trustDomain, source, now: clock.now() });
      return 'status' in taken ? { ...taken, refreshHint: bundle.refreshHint } : taken;
    } catch (error) {
      signal.throwIfAborted();
      const { message } = error as Error;
      return { result: error instanceof RangeError ? 'refused' : 'failed', message };
    }
  }

  /** @returns false when somebody else wrote meanwhile */
  async #write(): Promise<boolean> {
    const { api, meshConfigs, clock, metrics } = this.#deps;
    const config = meshConfigs.get(MESH_CONFIG_NAME);
    if (!config?.status) return true;
    const { status, metadata } = config;
    const names = fetchedDomains(config);
    const federation = names.flatMap((name) => this.#known(config, name) ?? []);
    const condition = federationCondition(names, federation);
    const others = (status.conditions ?? []).filter(({ type }) => condition || type !== CONDITION);
    const roots = status.roots ?? [];
    const wanted: MeshConfigStatus = {
      federation,
      conditions: condition ? mergeConditions(others, [condition], metadata.generation, clock.now()) : others,
      ...(roots.length > 0 ? { ownBundle: ownBundle(status.ownBundle, roots, clock.now()) } : {}),
    };
    const { federation: was = [], conditions = [], ownBundle: wasOwn } = status;
    const current = { federation: was, conditions, ...(wasOwn ? { ownBundle: wasOwn } : {}) };
    if (same(current, wanted)) return true;
    const patch = { metadata: { resourceVersion: metadata.resourceVersion }, status: wanted };
    try {
      await api.mergePatch(MESH_CONFIGS, { name: metadata.name }, patch, { subresource: 'status' });
      metrics.statusWrites.inc({ kind: MESH_CONFIGS.kind });
      return true;
    } catch (error) {
      if (isNotFound(error)) return true;
      if (isConflict(error)) return false;
      throw error;
    }
  }

  #log({ trustDomain, endpoint }: Foreign, answer: FetchOutcome): void {
    const { log } = this.#deps;
    const { result } = answer;
    const fields = { trustDomain, url: endpoint.url, profile: endpoint.profile, result };
    if ('status' in answer) {
      if (result === 'unchanged') log.debug(fields, 'the bundle of a foreign trust domain is as it was');
      else
        log.info({ ...fields, sequence: answer.status.sequence }, 'a foreign trust domain has a new bundle');
    } else
      log.warn(
        { ...fields, fault: answer.message },
        'the bundle of a foreign trust domain could not be fetched; what was known holds',
      );
  }

  #tell(
    config: MeshConfig,
    trustDomain: string,
    before: FederationStatus | undefined,
    after: FederationStatus | undefined,
  ): void {
    const about = { ...config, apiVersion: 'mesh.dev/v1alpha1', kind: 'MeshConfig' };
    const { events } = this.#deps;
    if (after?.message !== undefined && after.message !== before?.message) {
      const message = `${trustDomain}: ${after.message}`;
      events.emit({ about, type: 'Warning', reason: 'FederationFault', message });
    }
    if (after?.bundle && after.bundle !== before?.bundle) {
      const number = after.sequence === undefined ? '' : ` number ${after.sequence}`;
      const roots = readCertificates(after.bundle).length;
      const message = `bundle${number} of ${trustDomain} is in force, with ${roots} root certificate${roots === 1 ? '' : 's'}`;
      events.emit({ about, type: 'Normal', reason: 'BundleFetched', message });
    }
  }
}
