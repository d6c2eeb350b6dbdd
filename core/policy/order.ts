import type { Rule } from './rule.ts';

/**
 * The order in which rules are tried: higher precedence first; then by source namespace, source, destination namespace and
 * destination as Consul sorts them; for one and the same edge deny before allow, so that of two contradicting rules the
 * careful one wins; last by name, so that the order is total.
 */
export function compareRules(a: Rule, b: Rule): number {
  return (
    b.precedence - a.precedence ||
    compareText(sourceText(a), sourceText(b)) ||
    compareText(a.destination.namespace, b.destination.namespace) ||
    compareText(a.destination.service, b.destination.service) ||
    Number(b.action === 'deny') - Number(a.action === 'deny') ||
    compareText(a.ref.key, b.ref.key)
  );
}

/**
 * The order among rules that match one and the same question. There, equal precedence means the same source and
 * destination, even where one rule names the caller by service and another by SPIFFE ID; so deny comes first.
 */
export function compareMatching(a: Rule, b: Rule): number {
  return (
    b.precedence - a.precedence ||
    Number(b.action === 'deny') - Number(a.action === 'deny') ||
    compareRules(a, b)
  );
}

/** Whether two rules are about the same source and the same destination. */
export function sameEdge(a: Rule, b: Rule): boolean {
  return (
    sourceText(a) === sourceText(b) &&
    a.destination.namespace === b.destination.namespace &&
    a.destination.service === b.destination.service
  );
}

function sourceText(rule: Rule): string {
  return rule.source.kind === 'spiffe'
    ? `~${rule.source.id}`
    : `${rule.source.namespace}/${rule.source.service}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
