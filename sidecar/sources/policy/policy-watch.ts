import { NO_POLICY_DECISION, Policy } from '#core/policy/policy.ts';
import type { Decision } from '#core/policy/policy.ts';
import { compareRules } from '#core/policy/order.ts';
import type { Rule } from '#core/policy/rule.ts';
import type { ServiceIdentity, SpiffeId } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import type { ReflectorStats } from '#kube/watch/reflector.ts';

import { ChangeEmitter } from '#base/change-emitter.ts';
import type { PolicySource } from '../../dataplane/interfaces/policy-source.ts';
import type { Trust } from '../trust/trust.ts';
import { IntentionStore } from './intention-store.ts';

export interface PolicyDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where the mesh's name and default action come from. */
  readonly trust: Pick<Trust, 'current' | 'onChange'>;
  readonly service: ServiceIdentity;
  readonly meshNamespace: string;
  readonly forbiddenCapMs?: number;
}

/** How the policy fares, for readiness, metrics and people. */
export interface PolicyState {
  /** Whether decisions rest on rules that were read. */
  readonly ready: boolean;
  /** Counts every time the rules were compiled. */
  readonly version: number;
  readonly defaultAction: string | undefined;
  /** Best first. */
  readonly rules: readonly Rule[];
  readonly compiledAt: number | undefined;
  readonly watches: readonly ReflectorStats[];
}

/** A wall clock may be set; the end of a rule is therefore looked for at least this often. */
const LONGEST_EXPIRY_TIMER_MS = 30_000;

/**
 * The rules about this pod's own service, kept as the API server has them, and asked for every decision. Closed until both
 * rules and settings were read; afterwards the last ones hold, whatever becomes of the API server.
 */
export class PolicyWatch implements PolicySource {
  readonly #deps: PolicyDeps;
  readonly #stores: readonly IntentionStore[];
  readonly #listeners = new ChangeEmitter();
  #policy: Policy | undefined;
  #isClosed = false;
  #scopeKey = '';
  #version = 0;
  #compiledAt: number | undefined;
  #expiryTimer: Timer | undefined;
  #stopTrust: (() => void) | undefined;

  constructor(deps: PolicyDeps) {
    this.#deps = deps;
    const namespaces = new Set<string>([deps.service.namespace, deps.meshNamespace]);
    this.#stores = [...namespaces].map(
      (namespace) => new IntentionStore({ ...deps, namespace, onChange: () => this.#compile() }),
    );
  }

  start(): void {
    this.#stopTrust ??= this.#deps.trust.onChange(() => this.#trustChanged());
    for (const store of this.#stores) store.start();
  }

  async stop(): Promise<void> {
    this.#stopTrust?.();
    this.#expiryTimer?.cancel();
    await Promise.all(this.#stores.map((store) => store.stop()));
  }

  decide(source: SpiffeId, now: number): Decision {
    return this.#policy?.decide({ source, destination: this.#deps.service, now }) ?? NO_POLICY_DECISION;
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  get ready(): boolean {
    return this.#policy !== undefined;
  }

  state(): PolicyState {
    return {
      ready: this.ready,
      version: this.#version,
      defaultAction: this.#deps.trust.current()?.settings.defaultAction,
      rules: this.#rules().sort(compareRules),
      compiledAt: this.#compiledAt,
      watches: this.#stores.map((store) => store.stats),
    };
  }

  #rules(): Rule[] {
    return this.#stores.flatMap((store) => [...store.rules()]);
  }

  #trustChanged(): void {
    // Most changes of trust are new roots, which no decision depends on.
    if (this.#scopeKey !== this.#readScopeKey()) this.#compile();
  }

  #readScopeKey(): string {
    const settings = this.#deps.trust.current()?.settings;
    return settings ? `${settings.trustDomain} ${settings.datacenter} ${settings.defaultAction}` : '';
  }

  #compile(): void {
    const trust = this.#deps.trust.current();
    if (!trust || !this.#stores.every((store) => store.synced)) return;
    if (this.#stores.some((store) => store.isOverfull)) return this.#close();
    const rules = this.#rules();
    const { settings } = trust;
    const first = !this.#policy;
    this.#isClosed = false;
    this.#policy = new Policy(settings, settings.defaultAction, rules);
    this.#scopeKey = this.#readScopeKey();
    this.#version += 1;
    this.#compiledAt = this.#deps.clock.now();
    const fields = { rules: rules.length, defaultAction: settings.defaultAction, version: this.#version };
    this.#deps.log.info(fields, first ? 'intentions read' : 'intentions changed');
    this.#awaitExpiry();
    this.#listeners.emit();
  }

  /** Which rule would decide cannot be said where not all are known: nothing is allowed until they are. */
  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#policy = undefined;
    this.#deps.log.error(
      { reason: 'too-many-intentions' },
      'there are more intentions than are kept; every connection is denied',
    );
    this.#awaitExpiry();
    this.#listeners.emit();
  }

  /** Wakes when the next rule expires, and tells everyone. */
  #awaitExpiry(): void {
    this.#expiryTimer?.cancel();
    this.#expiryTimer = undefined;
    const { clock, log } = this.#deps;
    const now = clock.now();
    const next = this.#policy?.nextExpiry(now);
    if (next === undefined) return;
    this.#expiryTimer = clock.setTimeout(
      () => {
        const over = clock.now() >= next;
        this.#awaitExpiry();
        if (!over) return;
        log.info({ version: this.#version }, 'an intention expired');
        this.#listeners.emit();
      },
      Math.min(next - now, LONGEST_EXPIRY_TIMER_MS),
    );
  }
}
