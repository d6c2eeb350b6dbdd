import { WILDCARD } from '../names.ts';
import { quoted } from '../fault.ts';
import { hasExpired, rulesConflict } from '../policy/conflict.ts';
import type { RawIntention } from '../policy/rule.ts';
import { toRule } from '../policy/rule.ts';
import type { IntentionSpec } from './intention.ts';

/** What an Intention is checked against. Objects of its own namespace only: its author need not be allowed to read any other. */
export interface IntentionSurroundings {
  /** The mesh's own namespace, where rules for all namespaces live. */
  readonly meshNamespace: string;
  /** Unix time, milliseconds. */
  readonly now: number;
  /** Intentions of its namespace; the object itself, by its name, does not count. */
  readonly intentions: readonly RawIntention[];
  /** Names of the MeshServices of its namespace. */
  readonly services: ReadonlySet<string>;
}

/**
 * What the author of an Intention should know although it is stored: what depends on other objects or on the time. None of it
 * may be refused, since a set of rules must be writable in any order and again from where it is kept
 * (docs/decisions/0004-validation-never-blocks.md). No other Intention is named: who asks admission is not authenticated, and
 * who may write rules need not be allowed to read them.
 *
 * @param intention without faults of its own
 */
export function intentionWarnings(
  intention: RawIntention & { readonly spec: IntentionSpec },
  { meshNamespace, now, intentions, services }: IntentionSurroundings,
): readonly string[] {
  const { metadata, spec } = intention;
  const { name, namespace: home = '' } = metadata;
  const rule = toRule(intention, meshNamespace);
  const warnings: string[] = [];
  if (hasExpired(rule, now)) {
    warnings.push(
      `spec.expiresAt ${quoted(spec.expiresAt)} has passed: the rule is stored and does not count; its condition Expired says so`,
    );
  }
  const conflicting = intentions.some(
    (other) =>
      other.metadata.name !== name &&
      other.metadata.deletionTimestamp === undefined &&
      rulesConflict(rule, toRule(other, meshNamespace), now),
  );
  if (conflicting) {
    warnings.push(
      'another Intention of this namespace has the same source and destination: both are stored, deny wins where they contradict each other, and the condition Conflicted of both says so; keep one',
    );
  }
  const missing = (end: 'source' | 'destination', service = WILDCARD, namespace = home): void => {
    if (service === WILDCARD || namespace !== home || services.has(service)) return;
    warnings.push(`the ${end} ${home}/${service} does not exist yet; the rule counts as soon as it does`);
  };
  missing('destination', spec.destination.service, spec.destination.namespace);
  missing('source', spec.source.service, spec.source.namespace);
  return warnings;
}
