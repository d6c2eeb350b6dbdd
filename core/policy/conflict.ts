import { sameEdge } from './order.ts';
import type { Rule } from './rule.ts';

/**
 * Whether two rules are about the same source and destination with equal standing now, so that one of them is one too many:
 * where they contradict each other, deny wins. An override and an ordinary rule do not conflict (the override decides), and
 * neither do an enforced rule and one in audit mode (which decides nothing). What has expired or cannot be read conflicts with
 * none.
 *
 * Both rules then lie in one namespace: a rule lives where its destination lives, and only the mesh's own namespace has rules
 * about every namespace. So the status of one may name the other.
 *
 * @param now Unix time, milliseconds
 */
export function rulesConflict(a: Rule, b: Rule, now: number): boolean {
  return (
    !a.unreadable &&
    !b.unreadable &&
    a.precedence === b.precedence &&
    a.mode === b.mode &&
    sameEdge(a, b) &&
    !hasExpired(a, now) &&
    !hasExpired(b, now)
  );
}

/**
 * Whether a rule no longer counts.
 *
 * @param now Unix time, milliseconds
 */
export function hasExpired({ expiresAt }: Rule, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}
