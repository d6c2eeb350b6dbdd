import { WILDCARD } from '../names.ts';
import { localService } from '../spiffe-id.ts';
import type { IdentityScope, ServiceIdentity, SpiffeId } from '../spiffe-id.ts';
import type { Action } from '../model/intention.ts';
import { compareMatching } from './order.ts';
import { edgeKey, foreignSource, localSource } from './rule.ts';
import type { Rule, RuleRef } from './rule.ts';

/** Why a decision fell as it did. Stable words: they stand in logs, metrics and on screens. */
type DecisionReason =
  /** An intention matched; `rule` says which. */
  | 'intention'
  /** No intention matched, so the mesh's default action decided. */
  | 'default'
  /** An intention that this version cannot read covers the edge, so it is closed. */
  | 'unreadable-intention'
  /** The rules have not been read yet, so everything is closed. */
  | 'no-policy';

/** One decision, with everything needed to explain it. */
export interface Decision {
  readonly action: Action;
  readonly reason: DecisionReason;
  /** The rule that won; absent when the default decided. */
  readonly rule?: Rule;
  /** Enforced rules that matched as well and lost, best first. */
  readonly outranked: readonly Rule[];
  /** What would have been decided if audit rules counted, when that differs. */
  readonly audit?: { readonly action: Action; readonly rule: RuleRef };
}

/** What is asked: may this peer connect to this destination? */
export interface Question {
  /** The caller's SPIFFE ID, already authenticated. */
  readonly source: SpiffeId;
  readonly destination: ServiceIdentity;
  /** Unix time, milliseconds; rules that ended by then do not count. */
  readonly now: number;
}

/** Peers choose by which names they ask; what is remembered of them is bounded. */
const MOST_REMEMBERED = 4_096;

/**
 * The rules compiled for asking: a decision looks up at most ten keys, however many rules there are.
 * The one engine of the mesh: a sidecar asks it about every connection (`sidecar/sources/policy/policy-watch.ts`), and whoever else
 * wants to know a decision asks it too; none decides by itself.
 */
export class Policy {
  readonly #scope: IdentityScope;
  readonly #defaultAction: Action;
  readonly #rulesByEdge = new Map<string, Rule[]>();
  readonly #expiries: readonly number[];
  /** What was found for edges that were asked about. */
  readonly #asked = new Map<string, readonly Rule[]>();

  /**
   * @param scope this mesh's trust domain and datacenter; identities outside it are foreign: only a rule with their SPIFFE ID
   *   lets them in, and a deny for everyone keeps them out too
   * @param defaultAction what holds where no rule matches
   */
  constructor(scope: IdentityScope, defaultAction: Action, rules: Iterable<Rule>) {
    this.#scope = scope;
    this.#defaultAction = defaultAction;
    const expiries: number[] = [];
    for (const rule of rules) {
      const sameEdge = this.#rulesByEdge.get(rule.edge);
      if (sameEdge) sameEdge.push(rule);
      else this.#rulesByEdge.set(rule.edge, [rule]);
      if (rule.expiresAt !== undefined) expiries.push(rule.expiresAt);
    }
    this.#expiries = expiries.sort((a, b) => a - b);
  }

  /** Decides one question. Pure; microseconds. */
  decide({ source, destination, now }: Question): Decision {
    const matching = this.#matching(source, destination).filter(
      (rule) => rule.expiresAt === undefined || rule.expiresAt > now,
    );
    const enforced = matching.filter((rule) => rule.mode === 'enforce');
    const [winner, ...outranked] = enforced;
    const action = winner?.action ?? this.#defaultAction;
    const wouldWin = matching[0];
    return {
      action,
      reason: winner ? (winner.unreadable ? 'unreadable-intention' : 'intention') : 'default',
      ...(winner ? { rule: winner } : {}),
      outranked,
      ...(wouldWin?.mode === 'audit' && wouldWin.action !== action
        ? { audit: { action: wouldWin.action, rule: wouldWin.ref } }
        : {}),
    };
  }

  /** The next moment after `now` at which a rule ends and decisions may change; undefined when none does. */
  nextExpiry(now: number): number | undefined {
    return this.#expiries.find((expiry) => expiry > now);
  }

  /** The rules about an edge, best first. The same few edges are asked about again and again, at each connection and change. */
  #matching(source: SpiffeId, destination: ServiceIdentity): readonly Rule[] {
    const edge = edgeKey(source, destination.namespace, destination.service);
    const known = this.#asked.get(edge);
    if (known) return known;
    const found = this.#find(source, destination).sort(compareMatching);
    if (this.#asked.size >= MOST_REMEMBERED) this.#asked.clear();
    this.#asked.set(edge, found);
    return found;
  }

  #find(source: SpiffeId, destination: ServiceIdentity): Rule[] {
    const caller = localService(this.#scope, source);
    const own = this.#rulesFor([foreignSource(source)], destination);
    const everyone = this.#rulesFor([localSource(WILDCARD, WILDCARD)], destination);
    if (caller) {
      const named = this.#rulesFor(
        [localSource(caller.namespace, caller.service), localSource(caller.namespace, WILDCARD)],
        destination,
      );
      return [...own, ...named, ...everyone];
    }
    // "Everyone" lets no stranger in, who must be named; but it keeps strangers out like all others.
    return [...own, ...everyone.filter((rule) => rule.action === 'deny')];
  }

  #rulesFor(sources: readonly string[], destination: ServiceIdentity): Rule[] {
    const destinations = [
      [destination.namespace, destination.service],
      [destination.namespace, WILDCARD],
      [WILDCARD, WILDCARD],
    ] as const;
    return sources.flatMap((from) =>
      destinations.flatMap(
        ([namespace, service]) => this.#rulesByEdge.get(edgeKey(from, namespace, service)) ?? [],
      ),
    );
  }
}

/** The decision while no policy has been read: closed. */
export const NO_POLICY_DECISION: Decision = { action: 'deny', reason: 'no-policy', outranked: [] };

/** A sentence that says what decided, for logs, refusals and screens. */
export function explainDecision(decision: Decision): string {
  switch (decision.reason) {
    case 'intention':
      return `intention ${decision.rule?.ref.key ?? '?'} (${decision.action}, ${decision.rule?.override ? 'override, ' : ''}precedence ${decision.rule?.precedence ?? 0})`;
    case 'default':
      return `no intention matches and the default is ${decision.action}`;
    case 'unreadable-intention':
      return `intention ${decision.rule?.ref.key ?? '?'} cannot be read by this version, so it denies`;
    case 'no-policy':
      return 'the intentions have not been read yet, so everything is denied';
  }
}
