import fc from 'fast-check';

import type { NamespaceName, ServiceName } from '../names.ts';
import { serviceSpiffeId, trustDomain } from '../spiffe-id.ts';
import { rulesConflict } from './conflict.ts';
import { Policy } from './policy.ts';
import { toRule } from './rule.ts';
import type { Rule } from './rule.ts';

const NOW = Date.UTC(2026, 5, 1);
const scope = { trustDomain: trustDomain('cluster.local'), datacenter: 'dc1' };

let serial = 0;
function rule(more: object = {}, namespace = 'shop'): Rule {
  const spec = { source: { service: 'web' }, destination: { service: 'db' }, action: 'allow', ...more };
  return toRule({ metadata: { name: `r${++serial}`, namespace, uid: 'u', generation: 1 }, spec }, 'mesh');
}

test.each<[boolean, string, Rule, Rule]>([
  [true, 'the same edge and action', rule(), rule()],
  [true, 'the same edge, another action', rule(), rule({ action: 'deny' })],
  [
    true,
    'a namespace that is written and one that is left out',
    rule(),
    rule({ source: { service: 'web', namespace: 'shop' } }),
  ],
  [true, 'two in audit mode', rule({ mode: 'audit' }), rule({ mode: 'audit', action: 'deny' })],
  [true, 'one that expires later', rule(), rule({ expiresAt: '2026-06-01T00:00:01Z' })],
  [true, 'two overrides', rule({ override: true }, 'mesh'), rule({ override: true, action: 'deny' }, 'mesh')],
  [true, 'an override of a tenant, which has no effect', rule({ override: true }), rule({ action: 'deny' })],
  [false, 'another source', rule(), rule({ source: { service: '*' } })],
  [false, 'another destination', rule(), rule({ destination: { service: '*' } })],
  [false, 'another namespace', rule(), rule({}, 'front')],
  [false, 'one that has expired', rule(), rule({ action: 'deny', expiresAt: '2026-06-01T00:00:00Z' })],
  [false, 'one in audit mode', rule(), rule({ action: 'deny', mode: 'audit' })],
  [
    false,
    'an override and an ordinary rule',
    rule({ override: true }, 'mesh'),
    rule({ action: 'deny' }, 'mesh'),
  ],
  [false, 'one that cannot be read', rule(), rule({ later: 1 })],
  [false, 'two that cannot be read', rule({ later: 1 }), rule({ later: 1 })],
])('%s: %s', (expected, _what, a, b) => {
  expect([rulesConflict(a, b, NOW), rulesConflict(b, a, NOW)]).toEqual([expected, expected]);
});

const part = fc.constantFrom('web', 'db', '*');
const home = fc.constantFrom('shop', 'front', 'mesh');
const anySpec = fc.record({
  source: fc.oneof(
    fc.record({ service: part, namespace: fc.constantFrom('shop', 'front', 'mesh') }),
    fc.constant({ service: '*', namespace: '*' }),
  ),
  destination: fc.oneof(fc.record({ service: part }), fc.constant({ service: '*', namespace: '*' })),
  action: fc.constantFrom('allow', 'deny'),
  mode: fc.constantFrom('enforce', 'audit'),
  override: fc.boolean(),
  expiresAt: fc.constantFrom('2026-05-31T00:00:00Z', '2026-06-02T00:00:00Z'),
});
const anyRule = fc.tuple(anySpec, home).map(([spec, namespace]) => rule(spec, namespace));

test('two rules that conflict lie in one namespace, so that a status that names the other reveals nothing of another namespace', () => {
  fc.assert(
    fc.property(anySpec, home, home, (spec, one, other) => {
      const [a, b] = [rule(spec, one), rule(spec, other)];
      const counts = !a.unreadable && spec.expiresAt > '2026-06-01';
      expect(rulesConflict(a, b, NOW)).toBe(one === other && counts);
    }),
    { numRuns: 1_000 },
  );
});

test('of any rules where one edge is decided by several, deny wins, in whatever order they come', () => {
  const names = fc.constantFrom('web', 'db');
  fc.assert(
    fc.property(fc.array(anyRule, { minLength: 1, maxLength: 8 }), names, fc.nat(), (rules, caller, seed) => {
      const question = {
        source: serviceSpiffeId(scope, {
          namespace: 'shop' as NamespaceName,
          service: caller as ServiceName,
        }),
        destination: { namespace: 'shop' as NamespaceName, service: 'db' as ServiceName },
        now: NOW,
      };
      const shuffled = rules
        .map((one, index) => ({ one, at: ((index + 1) * (seed + 1)) % 11 }))
        .sort((a, b) => a.at - b.at)
        .map(({ one }) => one);
      const decision = new Policy(scope, 'allow', rules).decide(question);
      expect(new Policy(scope, 'allow', shuffled).decide(question)).toEqual(decision);
      const { rule: winner, outranked } = decision;
      if (!winner) return;
      const contrary = outranked.filter(
        (other) => other.precedence >= winner.precedence && other.action === 'deny',
      );
      if (winner.action === 'allow') expect(contrary).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
});
