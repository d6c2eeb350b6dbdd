import type { Intention } from '#core/model/intention.ts';
import { WILDCARD } from '#core/names.ts';
import { toRule } from '#core/policy/rule.ts';
import type { Rule } from '#core/policy/rule.ts';
import { objectKey } from '#core/resource.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { Reflector } from '#kube/watch/reflector.ts';
import type { ReflectorStats } from '#kube/watch/reflector.ts';
import { INTENTIONS } from '#kube/types.ts';

/** What is kept of an Intention: the rule it is, when it may be about us. The same object as long as its generation is the same. */
interface Kept {
  readonly uid: string;
  readonly generation: number;
  readonly rule?: Rule;
}

export interface IntentionStoreOptions {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly namespace: string;
  /** The mesh's own namespace. */
  readonly meshNamespace: string;
  /** Whose rules are wanted. */
  readonly service: ServiceIdentity;
  readonly forbiddenCapMs?: number;
  /** Called when the rules changed, and once when they were read first; not for a write of a status. */
  readonly onChange: () => void;
}

/** Rules of one namespace that are kept. Where there are more, nobody can say which of them would decide. */
const MAX_INTENTIONS = 10_000;

/** The rules of one namespace that may decide about one service. */
export class IntentionStore {
  readonly #options: IntentionStoreOptions;
  readonly #reflector: Reflector<Intention, Kept>;
  readonly #known = new Map<string, Kept>();
  #synced = false;
  #wasOverfull = false;

  constructor(options: IntentionStoreOptions) {
    this.#options = options;
    const { api, clock, log, namespace, forbiddenCapMs } = options;
    this.#reflector = new Reflector<Intention, Kept>({
      api,
      clock,
      log,
      ...(forbiddenCapMs === undefined ? {} : { forbiddenCapMs }),
      type: INTENTIONS,
      selection: { namespace },
      limits: { total: MAX_INTENTIONS },
      transform: (intention) => this.#keep(intention),
      onChange: (items, changed) => this.#changed(items, changed),
    });
  }

  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
  }

  /** Whether all rules of the namespace have been read once. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Whether there are more rules than are kept. */
  get isOverfull(): boolean {
    return this.#reflector.stats.leftOut > 0;
  }

  get stats(): ReflectorStats {
    return this.#reflector.stats;
  }

  *rules(): Iterable<Rule> {
    for (const { rule } of this.#known.values()) if (rule) yield rule;
  }

  /** Every write of a status sends the whole object; it is read again only when its generation is another. */
  #keep(intention: Intention): Kept {
    const known = this.#reflector.items.get(objectKey(intention));
    const { uid = '', generation = 0 } = intention.metadata;
    if (known?.uid === uid && known.generation === generation) return known;
    const rule = toRule(intention, this.#options.meshNamespace);
    return { uid, generation, ...(this.#concernsUs(rule) ? { rule } : {}) };
  }

  #concernsUs({ destination }: Rule): boolean {
    const { service, namespace } = this.#options.service;
    return (
      (destination.service === WILDCARD || destination.service === service) &&
      (destination.namespace === WILDCARD || destination.namespace === namespace)
    );
  }

  #changed(items: ReadonlyMap<string, Kept>, changed: ReadonlySet<string>): void {
    let rulesChanged = !this.#synced || this.#wasOverfull !== this.isOverfull;
    this.#synced = true;
    this.#wasOverfull = this.isOverfull;
    for (const key of changed) {
      const before = this.#known.get(key);
      const after = items.get(key);
      if (before === after) continue;
      if (after) this.#known.set(key, after);
      else this.#known.delete(key);
      rulesChanged ||= before?.rule !== undefined || after?.rule !== undefined;
    }
    if (rulesChanged) this.#options.onChange();
  }
}
