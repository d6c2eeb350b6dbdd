import { hasExpired, rulesConflict } from '#core/policy/conflict.ts';
import type { Rule } from '#core/policy/rule.ts';
import { rfc3339 } from '#base/times.ts';

import { isFalse, isTrue } from '../../control-loop/conditions.ts';
import type { ConditionState } from '../../control-loop/conditions.ts';
import { edgeOf } from './edge-index.ts';

export interface IntentionSituation {
  /** The Intention, read. */
  readonly rule: Rule;
  /** What is wrong with it, as sentences; empty when nothing is. */
  readonly faults: readonly string[];
  /** The other rules about the same source and destination. */
  readonly others: readonly Rule[];
  /** Unix time, milliseconds. */
  readonly now: number;
}

export interface IntentionVerdict {
  /** Absent for a rule that could not be read. */
  readonly precedence?: number;
  readonly conditions: readonly ConditionState[];
  /** When to look again although nothing changes: the rule ends then. Unix time, milliseconds. */
  readonly lookAgainAt?: number;
}

/** What the status of an Intention says. Pure. */
export function decideIntention({ rule, faults, others, now }: IntentionSituation): IntentionVerdict {
  const ended = hasExpired(rule, now);
  return {
    ...(rule.unreadable ? {} : { precedence: rule.precedence }),
    conditions: [
      accepted(rule, faults),
      conflicted(
        rule,
        others.filter((other) => rulesConflict(rule, other, now)),
      ),
      expired(rule, ended),
    ],
    ...(rule.expiresAt !== undefined && !ended ? { lookAgainAt: rule.expiresAt } : {}),
  };
}

function accepted(rule: Rule, faults: readonly string[]): ConditionState {
  if (rule.unreadable) {
    const { namespace } = rule.destination;
    const scope = edgeOf(rule).startsWith('*/* to ')
      ? `every connection into ${namespace === '*' ? 'the mesh' : namespace}`
      : edgeOf(rule);
    const why = faults.length > 0 ? faults.join('; ') : 'it does not match the schema of this version';
    return isFalse('Accepted', 'Unreadable', `cannot be read, so it denies ${scope}: ${why}`);
  }
  if (faults.length > 0) return isFalse('Accepted', 'Invalid', faults.join('; '));
  const does =
    rule.mode === 'audit'
      ? `reports where it would ${rule.action}`
      : rule.action === 'allow'
        ? 'allows'
        : 'denies';
  const rank = `${rule.override ? 'override, ' : ''}precedence ${rule.precedence}`;
  return isTrue('Accepted', 'Valid', `${does} ${edgeOf(rule)}, ${rank}`);
}

function conflicted(rule: Rule, others: readonly Rule[]): ConditionState {
  if (others.length === 0)
    return isFalse(
      'Conflicted',
      'NoConflict',
      'no other intention of the same mode and rank is about the same source and destination',
    );
  const named = others.slice(0, 5).map((other) => `${other.ref.key} (${other.action})`);
  const more = others.length > 5 ? ` and ${others.length - 5} more` : '';
  const actions = new Set([rule, ...others].map(({ action }) => action));
  const outcome = actions.size > 1 ? 'they contradict each other, and deny wins' : 'they say the same';
  return isTrue(
    'Conflicted',
    'SameEdge',
    `${named.join(', ')}${more} ${others.length === 1 ? 'is' : 'are'} about ${edgeOf(rule)} too: ${outcome}; keep one`,
  );
}

function expired(rule: Rule, ended: boolean): ConditionState {
  if (rule.expiresAt === undefined) return isFalse('Expired', 'NoExpiry', 'the rule has no end');
  const end = rfc3339(rule.expiresAt);
  return ended
    ? isTrue('Expired', 'TimePassed', `the rule ended at ${end} and no longer counts`)
    : isFalse('Expired', 'NotYet', `the rule ends at ${end}`);
}
