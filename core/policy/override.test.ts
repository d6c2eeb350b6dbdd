import fc from 'fast-check';

import type { NamespaceName, ServiceName } from '../names.ts';
import { serviceSpiffeId, trustDomain } from '../spiffe-id.ts';
import { compareRules } from './order.ts';
import { Policy, explainDecision } from './policy.ts';
import type { Decision } from './policy.ts';
import type { RawIntention } from './rule.ts';
import { toRule } from './rule.ts';

const scope = { trustDomain: trustDomain('cluster.local'), datacenter: 'dc1' };
const NOW = Date.UTC(2026, 5, 1);
const service = (namespace: string, name: string) => ({
  namespace: namespace as NamespaceName,
  service: name as ServiceName,
});
const web = service('front', 'web');
const db = service('shop', 'db');

const everywhere = { service: '*', namespace: '*' };
const intention = (name: string, spec: unknown, namespace = 'mesh'): RawIntention => ({
  metadata: { name, namespace, uid: `uid-${name}`, generation: 1 },
  spec,
});
const platform = (name: string, source: object, action: string, more: object = {}): RawIntention =>
  intention(name, { source, destination: everywhere, action, override: true, ...more });

const policyOf = (rules: readonly RawIntention[], defaultAction: 'allow' | 'deny' = 'deny') =>
  new Policy(
    scope,
    defaultAction,
    rules.map((rule) => toRule(rule, 'mesh')),
  );
const decide = (
  rules: readonly RawIntention[],
  { source = web, destination = db, now = NOW } = {},
): Decision => policyOf(rules).decide({ source: serviceSpiffeId(scope, source), destination, now });

/** Any rule that a tenant may have stored in `shop`, also past admission: of every level, unreadable ones, and some with `override`. */
const part = fc.constantFrom('web', 'db', '*');
const tenantSpec = fc.record(
  {
    source: fc.oneof(
      fc.record({ service: part, namespace: fc.constantFrom('front', 'shop') }),
      fc.constant(everywhere),
    ),
    destination: fc.record({ service: part }),
    action: fc.constantFrom('allow', 'deny'),
    mode: fc.constantFrom('enforce', 'audit'),
    override: fc.boolean(),
    ofAnotherVersion: fc.constant(true),
  },
  { requiredKeys: ['source', 'destination', 'action'] },
);
const tenantRules = fc
  .array(tenantSpec, { maxLength: 10 })
  .map((specs) => specs.map((spec, index) => intention(`tenant-${index}`, spec, 'shop')));
const action = fc.constantFrom('allow', 'deny');

test("an override decides against every tenant's rule, whatever that rule is and in whatever order they come", () => {
  const sources = fc.constantFrom(
    { service: 'web', namespace: 'front' },
    { service: '*', namespace: 'front' },
    everywhere,
  );
  fc.assert(
    fc.property(tenantRules, sources, action, fc.nat(), (tenants, source, wanted, at) => {
      const rules = tenants.toSpliced(at % (tenants.length + 1), 0, platform('guard', source, wanted));
      const decision = decide(rules);
      expect(decision).toMatchObject({ action: wanted, rule: { ref: { key: 'mesh/guard' } } });
    }),
    { numRuns: 1_000 },
  );
});

test('an override of a tenant has no effect: its rule decides as the same rule without it', () => {
  const platformRules = fc
    .array(fc.tuple(fc.constantFrom({ service: '*', namespace: 'front' }, everywhere), action), {
      maxLength: 3,
    })
    .map((list) =>
      list.map(([source, wanted], index) =>
        intention(`platform-${index}`, { source, destination: everywhere, action: wanted }),
      ),
    );
  const plain = ({ spec, ...rest }: RawIntention): RawIntention => {
    return { ...rest, spec: { ...(spec as object), override: false } };
  };
  fc.assert(
    fc.property(tenantRules, platformRules, (tenants, others) => {
      expect(decide([...tenants, ...others])).toEqual(decide([...tenants.map(plain), ...others]));
    }),
    { numRuns: 1_000 },
  );
});

test('an override of a tenant does not turn an exact rule of another service into a weaker one', () => {
  const rules = [
    intention(
      'mine',
      { source: everywhere, destination: { service: '*' }, action: 'allow', override: true },
      'shop',
    ),
    intention('theirs', { source: web, destination: { service: 'db' }, action: 'deny' }, 'shop'),
  ];
  expect(decide(rules)).toMatchObject({
    action: 'deny',
    rule: { ref: { key: 'shop/theirs' }, precedence: 9 },
  });
});

test('of two overrides the more exact one decides, and of two about the same edge the deny', () => {
  const closed = platform('closed', everywhere, 'deny');
  const monitoring = platform('web-may', { service: 'web', namespace: 'front' }, 'allow');
  for (const rules of [
    [closed, monitoring],
    [monitoring, closed],
  ]) {
    expect(decide(rules)).toMatchObject({ action: 'allow', rule: { ref: { key: 'mesh/web-may' } } });
    expect(decide(rules, { source: service('front', 'cron') }).action).toBe('deny');
  }
  const contrary = platform('a', { service: 'web', namespace: 'front' }, 'deny');
  for (const rules of [
    [contrary, monitoring],
    [monitoring, contrary],
  ]) {
    expect(decide(rules)).toMatchObject({
      action: 'deny',
      rule: { ref: { key: 'mesh/a' } },
      outranked: [{ ref: { key: 'mesh/web-may' } }],
    });
  }
});

test('an override may be about one service of another namespace: only billing reaches shop/db, whatever shop says', () => {
  const shopDb = { service: 'db', namespace: 'shop' };
  const rules = [
    platform('nobody', everywhere, 'deny', { destination: shopDb }),
    platform('billing', { service: 'billing', namespace: 'pay' }, 'allow', { destination: shopDb }),
    intention('mine', { source: web, destination: { service: 'db' }, action: 'allow' }, 'shop'),
    intention('theirs', { source: everywhere, destination: { service: '*' }, action: 'allow' }, 'shop'),
    intention(
      'not-billing',
      { source: { service: 'billing', namespace: 'pay' }, destination: shopDb, action: 'deny' },
      'shop',
    ),
  ];
  expect(decide(rules)).toMatchObject({
    action: 'deny',
    rule: { ref: { key: 'mesh/nobody' }, precedence: 17 },
  });
  expect(decide(rules, { source: service('pay', 'billing') })).toMatchObject({
    action: 'allow',
    rule: { ref: { key: 'mesh/billing' }, precedence: 19 },
  });
  expect(decide(rules, { destination: service('shop', 'cache') }).action).toBe('allow');
});

test('a rule about another namespace that is not an override, or a tenant’s, is one that cannot be read', () => {
  const shopDb = { service: 'db', namespace: 'shop' };
  const of = (spec: object, home: string) =>
    toRule(intention('x', { source: web, destination: shopDb, action: 'allow', ...spec }, home), 'mesh');
  expect(of({}, 'mesh').unreadable).toBe(true);
  expect(of({ override: true }, 'front').unreadable).toBe(true);
  expect(of({ override: true }, 'front').destination.namespace).toBe('front');
});

test('an override in audit mode, or one that has expired, decides nothing', () => {
  const allow = intention('allow', { source: web, destination: { service: 'db' }, action: 'allow' }, 'shop');
  const audit = platform('guard', everywhere, 'deny', { mode: 'audit' });
  expect(decide([allow, audit])).toMatchObject({
    action: 'allow',
    audit: { action: 'deny', rule: { key: 'mesh/guard' } },
  });
  const expired = platform('guard', everywhere, 'deny', { expiresAt: '2026-05-31T23:59:59Z' });
  expect(decide([allow, expired]).action).toBe('allow');
});

test("a rule of the mesh's own namespace that cannot be read denies above overrides, and one of a tenant below them", () => {
  const open = platform('open', everywhere, 'allow');
  const unreadable = (namespace: string) => intention('newer', { ofAnotherVersion: true }, namespace);
  expect(decide([open, unreadable('mesh')])).toMatchObject({
    action: 'deny',
    reason: 'unreadable-intention',
  });
  expect(decide([open, unreadable('shop')])).toMatchObject({ action: 'allow', reason: 'intention' });
});

test('an override that allows everyone lets no caller of another trust domain in, and one that denies everyone keeps it out', () => {
  const stranger = 'spiffe://partner.example/ns/x/sa/y' as never;
  const named = intention(
    'partner',
    { source: { spiffeId: stranger }, destination: { service: 'db' }, action: 'allow' },
    'shop',
  );
  const ask = (...rules: RawIntention[]) =>
    policyOf(rules).decide({ source: stranger, destination: db, now: NOW }).action;
  expect(ask(platform('open', everywhere, 'allow'))).toBe('deny');
  expect(ask(named)).toBe('allow');
  expect(ask(named, platform('closed', everywhere, 'deny'))).toBe('deny');
});

test("precedence is Consul's number and ten more, above all others, and the explanation says that it is an override", () => {
  const levels = [
    [{ service: 'web', namespace: 'front' }, 13],
    [{ service: '*', namespace: 'front' }, 12],
    [everywhere, 11],
  ] as const;
  for (const [source, precedence] of levels) {
    expect(toRule(platform('guard', source, 'deny'), 'mesh')).toMatchObject({ precedence, override: true });
  }
  const own = intention('own', {
    source: { service: 'web' },
    destination: { service: 'db' },
    action: 'allow',
    override: true,
  });
  expect(toRule(own, 'mesh').precedence).toBe(19);
  expect(explainDecision(decide([platform('guard', everywhere, 'deny')]))).toBe(
    'intention mesh/guard (deny, override, precedence 11)',
  );
});

test('in lists overrides stand first', () => {
  const rules = [
    intention('exact', { source: web, destination: { service: 'db' }, action: 'allow' }, 'shop'),
    platform('guard', everywhere, 'deny'),
    intention('newer', { ofAnotherVersion: true }, 'shop'),
  ].map((rule) => toRule(rule, 'mesh'));
  expect(rules.sort(compareRules).map(({ ref }) => ref.key)).toEqual([
    'mesh/guard',
    'shop/newer',
    'shop/exact',
  ]);
});

test.each([false, undefined])('override: %s is an ordinary rule', (override) => {
  const spec = { source: everywhere, destination: everywhere, action: 'deny' };
  const rule = toRule(intention('all', override === undefined ? spec : { ...spec, override }), 'mesh');
  expect(rule).toMatchObject({ precedence: 1, action: 'deny' });
  expect(rule).not.toHaveProperty('override');
});

test.each([null, 'true', 1, {}])('override: %j cannot be read, so the rule denies', (override) => {
  const rule = toRule(platform('guard', everywhere, 'allow', { override }), 'mesh');
  expect(rule).toMatchObject({ action: 'deny', unreadable: true });
});
