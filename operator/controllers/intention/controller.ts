import { intentionFaults } from '#core/model/intention-faults.ts';
import type { Intention, IntentionStatus } from '#core/model/intention.ts';
import { toRule } from '#core/policy/rule.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { Clock } from '#base/clock.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { Change, ObjectCache } from '../../control-loop/cache.ts';
import { mergeConditions } from '../../control-loop/conditions.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import type { Events } from '../../control-loop/events.ts';
import type { StatusWriter } from '../../control-loop/status-writer.ts';
import { faultText } from '../fault-text.ts';
import { decideIntention } from './decide.ts';
import { EdgeIndex } from './edge-index.ts';

export interface IntentionControllerDeps {
  readonly intentions: ObjectCache<Intention>;
  readonly status: StatusWriter<Intention['spec'], IntentionStatus>;
  readonly events: Events;
  readonly clock: Clock;
  readonly meshNamespace: string;
  readonly scope: IdentityScope;
}

/** Keeps the status of every Intention: its precedence, what is wrong with it, what it contradicts, whether it has ended. */
export class IntentionController implements ControllerDuty {
  readonly name = 'intention';
  readonly #deps: IntentionControllerDeps;
  readonly #edges = new EdgeIndex();

  constructor(deps: IntentionControllerDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    return [
      this.#deps.intentions.subscribe((changes) => {
        for (const change of changes) for (const key of this.#take(change)) add(key);
      }),
    ];
  }

  keys(): Iterable<string> {
    const { intentions, meshNamespace } = this.#deps;
    const keys: string[] = [];
    for (const intention of intentions.all()) {
      const rule = toRule(intention, meshNamespace);
      this.#edges.set(rule.ref.key, rule);
      keys.push(rule.ref.key);
    }
    return keys;
  }

  async reconcile(key: string): Promise<Requeue | void> {
    const { intentions, status, clock, meshNamespace, scope } = this.#deps;
    const intention = intentions.get(key);
    const rule = this.#edges.get(key);
    if (!intention || !rule) {
      status.forget(key);
      return undefined;
    }
    const now = clock.now();
    const verdict = decideIntention({
      rule,
      faults: intentionFaults(intention, { meshNamespace, trustDomain: scope.trustDomain }).map(faultText),
      others: this.#edges.others(key),
      now,
    });
    const { generation } = intention.metadata;
    const current = status.current(intention);
    const conditions = mergeConditions(current?.conditions, verdict.conditions, generation, now);
    await status.write(intention, {
      precedence: verdict.precedence ?? null,
      conditions,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    });
    this.#tell(intention, current, conditions);
    // A rule that ends frees others of its edge from their conflict; they have the same timer through their own look at `others`.
    const endings = [verdict.lookAgainAt, ...this.#edges.others(key).map((other) => other.expiresAt)];
    const next = Math.min(...endings.filter((at): at is number => at !== undefined && at > now));
    return Number.isFinite(next) ? { requeueAfterMs: next - now } : undefined;
  }

  #take({ key, after }: Change<Intention>): Iterable<string> {
    const rule = after && toRule(after, this.#deps.meshNamespace);
    return [key, ...this.#edges.set(key, rule)];
  }

  #tell(
    intention: Intention,
    before: IntentionStatus | undefined,
    conditions: NonNullable<IntentionStatus['conditions']>,
  ): void {
    for (const { type, status, reason, message } of conditions) {
      const bad =
        type === 'Accepted'
          ? status === 'False'
          : (type === 'Conflicted' || type === 'Expired') && status === 'True';
      const was = before?.conditions?.find((condition) => condition.type === type)?.status;
      if (!bad || was === status) continue;
      const about = { apiVersion: 'mesh.dev/v1alpha1', kind: 'Intention', metadata: intention.metadata };
      this.#deps.events.emit({ about, type: type === 'Expired' ? 'Normal' : 'Warning', reason, message });
    }
  }
}
