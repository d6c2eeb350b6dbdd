import fc from 'fast-check';

import { serviceSpiffeId, trustDomain } from '../spiffe-id.ts';
import type { SpiffeId } from '../spiffe-id.ts';
import type { NamespaceName, ServiceName } from '../names.ts';
import { compareRules, sameEdge } from './order.ts';
import { NO_POLICY_DECISION, Policy, explainDecision } from './policy.ts';
import type { RawIntention } from './rule.ts';
import { toRule } from './rule.ts';

const scope = { trustDomain: trustDomain('cluster.local'), datacenter: 'dc1' };
const NOW = Date.UTC(2026, 5, 1);
const id = (namespace: string, service: string): SpiffeId =>
  serviceSpiffeId(scope, { namespace: namespace as NamespaceName, service: service as ServiceName });
const to = (namespace: string, service: string) => ({
  namespace: namespace as NamespaceName,
  service: service as ServiceName,
});

let serial = 0;
/** `rule('front/web', 'db', 'deny')`: from, to, action; lives in shop unless `home` says else. */
function rule(
  from: string,
  destination: string,
  action: string,
  more: Record<string, unknown> = {},
  name?: string,
): RawIntention {
  const { home = 'shop', ...spec } = more;
  const source = from.startsWith('spiffe:')
    ? { spiffeId: from }
    : { namespace: from.split('/')[0], service: from.split('/')[1] };
  const everywhere = destination === '*/*' ? { service: '*', namespace: '*' } : { service: destination };
  return {
    metadata: { name: name ?? `r${++serial}`, namespace: home as string, uid: 'u', generation: 1 },
    spec: { source, destination: everywhere, action, ...spec },
  };
}
const policy = (defaultAction: 'allow' | 'deny', ...rules: RawIntention[]) =>
  new Policy(
    scope,
    defaultAction,
    rules.map((one) => toRule(one, 'mesh')),
  );
const ask = (asked: Policy, source: SpiffeId, destination = to('shop', 'db'), now = NOW) =>
  asked.decide({ source, destination, now });

const web = id('front', 'web');
const partner = 'spiffe://partner.example/ns/x/sa/y' as SpiffeId;

describe('where no rule matches', () => {
  test.each(['allow', 'deny'] as const)('the default %s decides', (action) => {
    const decision = ask(
      policy(action, rule('front/other', 'db', 'allow'), rule('front/web', 'cache', 'deny')),
      web,
    );
    expect(decision).toEqual({ action, reason: 'default', outranked: [] });
    expect(explainDecision(decision)).toBe(`no intention matches and the default is ${action}`);
  });

  test('nothing is open before the rules have been read', () => {
    expect(NO_POLICY_DECISION.action).toBe('deny');
    expect(explainDecision(NO_POLICY_DECISION)).toContain('not been read yet');
  });
});

describe('of the rules that match, the most exact decides', () => {
  const levels = [
    rule('front/web', 'db', 'allow', {}, 'p9'),
    rule('front/*', 'db', 'allow', {}, 'p8'),
    rule('*/*', 'db', 'allow', {}, 'p7'),
    rule('front/web', '*', 'allow', {}, 'p6'),
    rule('front/*', '*', 'allow', {}, 'p5'),
    rule('*/*', '*', 'allow', {}, 'p4'),
    rule('front/web', '*/*', 'allow', { home: 'mesh' }, 'p3'),
    rule('front/*', '*/*', 'allow', { home: 'mesh' }, 'p2'),
    rule('*/*', '*/*', 'allow', { home: 'mesh' }, 'p1'),
  ];

  test.each(levels.map((_, index) => index))('level %#, with all lower ones saying the contrary', (index) => {
    const set = levels.slice(index).map((one, at) => ({
      ...one,
      spec: { ...(one.spec as object), action: at === 0 ? 'deny' : 'allow' },
    }));
    fc.assert(
      fc.property(fc.shuffledSubarray(set, { minLength: set.length }), (shuffled) => {
        const decision = ask(policy('allow', ...shuffled), web);
        expect(decision.action).toBe('deny');
        expect(decision.reason).toBe('intention');
        expect(decision.rule?.ref.key).toBe(`${index > 5 ? 'mesh' : 'shop'}/p${9 - index}`);
        expect(decision.outranked.map(({ precedence }) => precedence)).toEqual(
          levels.slice(index + 1).map((_, at) => 8 - index - at),
        );
      }),
      { numRuns: 20 },
    );
  });

  test('and the sentence names it', () => {
    expect(explainDecision(ask(policy('deny', ...levels), web))).toBe(
      'intention shop/p9 (allow, precedence 9)',
    );
  });
});

describe('two rules for one edge, which admission refuses', () => {
  test('deny wins, in whatever order they come', () => {
    const allow = rule('front/web', 'db', 'allow', {}, 'a');
    const deny = rule('front/web', 'db', 'deny', {}, 'z');
    for (const set of [
      [allow, deny],
      [deny, allow],
    ]) {
      const decision = ask(policy('allow', ...set), web);
      expect(decision.action).toBe('deny');
      expect(decision.outranked.map(({ ref }) => ref.key)).toEqual(['shop/a']);
    }
  });

  test('deny wins also when one names the caller by service and one by SPIFFE ID', () => {
    for (const [byName, byId] of [
      ['allow', 'deny'],
      ['deny', 'allow'],
    ] as const) {
      const set = [rule('front/web', 'db', byName), rule(web, 'db', byId)];
      expect(ask(policy('allow', ...set), web).action).toBe('deny');
    }
  });
});

describe('the order of rules for lists', () => {
  test('is by precedence, then source, then destination, as Consul sorts', () => {
    const rules = [
      rule('b/x', 'db', 'allow'),
      rule('a/z', 'db', 'allow'),
      rule('a/y', 'db', 'allow'),
      rule('a/y', 'cache', 'allow'),
      rule('a/*', 'db', 'allow'),
    ].map((one) => toRule(one, 'mesh'));
    const text = [...rules]
      .sort(compareRules)
      .map(
        ({ source, destination }) =>
          `${source.kind === 'service' ? `${source.namespace}/${source.service}` : ''} ${destination.service}`,
      );
    expect(text).toEqual(['a/y cache', 'a/y db', 'a/z db', 'b/x db', 'a/* db']);
  });

  test('is total: no two rules change places', () => {
    const name = fc.constantFrom('a', 'b', '*');
    const any = fc
      .tuple(name, name, name, fc.constantFrom('allow', 'deny'), fc.nat(3))
      .filter(([ns, service]) => ns !== '*' || service === '*')
      .map(([ns, service, destination, action, n]) =>
        toRule(rule(`${ns}/${service}`, destination, action, {}, `n${n}`), 'mesh'),
      );
    fc.assert(
      fc.property(any, any, any, (a, b, c) => {
        expect(Math.sign(compareRules(a, b)) + Math.sign(compareRules(b, a))).toBe(0);
        if (compareRules(a, b) <= 0 && compareRules(b, c) <= 0)
          expect(compareRules(a, c)).toBeLessThanOrEqual(0);
        if (sameEdge(a, b)) expect(a.precedence).toBe(b.precedence);
      }),
    );
  });
});

describe('audit rules', () => {
  test('never decide, and are reported where they would have decided otherwise', () => {
    const decision = ask(
      policy('deny', rule('front/web', 'db', 'deny', { mode: 'audit' }, 'x'), rule('front/*', 'db', 'allow')),
      web,
    );
    expect(decision.action).toBe('allow');
    expect(decision.audit).toEqual({ action: 'deny', rule: { key: 'shop/x', uid: 'u', generation: 1 } });
  });

  test('are silent where the outcome would be the same', () => {
    const decision = ask(
      policy('deny', rule('front/web', 'db', 'allow', { mode: 'audit' }), rule('front/*', 'db', 'allow')),
      web,
    );
    expect(decision.audit).toBeUndefined();
  });

  test('are silent where a more exact rule decides', () => {
    const decision = ask(
      policy('deny', rule('front/web', 'db', 'allow'), rule('front/*', 'db', 'deny', { mode: 'audit' })),
      web,
    );
    expect(decision).toMatchObject({ action: 'allow', outranked: [] });
    expect(decision.audit).toBeUndefined();
  });

  test('are reported against the default too', () => {
    expect(ask(policy('deny', rule('front/web', 'db', 'allow', { mode: 'audit' })), web)).toMatchObject({
      action: 'deny',
      reason: 'default',
      audit: { action: 'allow' },
    });
  });
});

describe('a rule with an end', () => {
  const ending = policy(
    'deny',
    rule('front/web', 'db', 'allow', { expiresAt: new Date(NOW + 1000).toISOString() }),
  );

  test('counts until then and not from then on', () => {
    expect(ask(ending, web, undefined, NOW + 999).action).toBe('allow');
    expect(ask(ending, web, undefined, NOW + 1000)).toMatchObject({ action: 'deny', reason: 'default' });
  });

  test('is named as the next moment of change', () => {
    const two = policy(
      'deny',
      rule('front/web', 'db', 'allow', { expiresAt: new Date(NOW + 5000).toISOString() }),
      rule('front/*', 'db', 'allow', { expiresAt: new Date(NOW + 2000).toISOString() }),
    );
    expect([NOW, NOW + 2000, NOW + 5000].map((at) => two.nextExpiry(at))).toEqual([
      NOW + 2000,
      NOW + 5000,
      undefined,
    ]);
    expect(policy('deny').nextExpiry(NOW)).toBeUndefined();
  });
});

describe('a rule that cannot be read', () => {
  test('closes its own edge, above every allow, and says so', () => {
    const decision = ask(
      policy(
        'allow',
        rule('front/web', 'db', 'allow'),
        rule('front/web', 'db', 'allow', { later: 1 }, 'new'),
      ),
      web,
    );
    expect(decision).toMatchObject({ action: 'deny', reason: 'unreadable-intention' });
    expect(explainDecision(decision)).toBe('intention shop/new cannot be read by this version, so it denies');
    expect(
      ask(policy('allow', rule('front/web', 'db', 'allow', { later: 1 })), id('front', 'cron')).action,
    ).toBe('allow');
  });

  test('closes the whole namespace, and no other, when its edge cannot be read either', () => {
    const closed = policy('allow', rule('front/web', 'db', 'allow'), {
      metadata: { name: 'x', namespace: 'shop' },
      spec: 7,
    });
    expect(ask(closed, web).reason).toBe('unreadable-intention');
    expect(ask(closed, partner).reason).toBe('unreadable-intention');
    expect(ask(closed, web, to('other', 'db')).action).toBe('allow');
  });
});

describe('a foreign identity', () => {
  test.each([
    partner,
    'spiffe://partner.example/ns/front/dc/dc1/svc/web' as SpiffeId,
    'spiffe://cluster.local/ns/front/dc/dc2/svc/web' as SpiffeId,
    'spiffe://cluster.local/ns/front/sa/web' as SpiffeId,
  ])('%s is let in by no rule about services, not even one for everyone', (stranger) => {
    const rules = ['front/web', 'front/*', '*/*'].map((from) => rule(from, 'db', 'allow'));
    expect(ask(policy('deny', ...rules), stranger)).toMatchObject({ action: 'deny', reason: 'default' });
  });

  test('is let in by a rule with exactly its SPIFFE ID', () => {
    const open = policy('deny', rule(partner, 'db', 'allow'));
    expect(ask(open, partner).action).toBe('allow');
    expect(ask(open, `${partner}z` as SpiffeId).action).toBe('deny');
  });

  test('is kept out by a deny for everyone', () => {
    expect(ask(policy('allow', rule('*/*', '*', 'deny')), partner)).toMatchObject({
      action: 'deny',
      reason: 'intention',
    });
    expect(ask(policy('allow', rule('*/*', '*', 'deny'), rule(partner, 'db', 'allow')), partner).action).toBe(
      'allow',
    );
  });

  test('is not kept out by denies for services', () => {
    expect(
      ask(policy('allow', rule('front/web', 'db', 'deny'), rule('front/*', 'db', 'deny')), partner).action,
    ).toBe('allow');
  });
});

describe('any set of rules', () => {
  const name = fc.constantFrom('a', 'b', '*');
  const anyRule = fc
    .tuple(name, name, name, fc.constantFrom('allow', 'deny'))
    .filter(([namespace, service]) => namespace !== '*' || service === '*')
    .map(([namespace, service, destination, action]) => rule(`${namespace}/${service}`, destination, action));

  test('is decided by the first rule in order that matches, whatever the order it is given in', () => {
    fc.assert(
      fc.property(
        fc.array(anyRule, { maxLength: 12 }),
        fc.constantFrom('a', 'b'),
        fc.constantFrom('a', 'b'),
        (rules, namespace, service) => {
          const fits = (text: string, value: string) => text === '*' || text === value;
          const first = rules
            .map((one) => toRule(one, 'mesh'))
            .sort(compareRules)
            .find(
              ({ source, destination }) =>
                source.kind === 'service' &&
                fits(source.namespace, namespace) &&
                fits(source.service, service) &&
                fits(destination.service, 'a'),
            );
          const decision = ask(
            policy('deny', ...[...rules].reverse()),
            id(namespace, service),
            to('shop', 'a'),
          );
          expect(decision.action).toBe(first?.action ?? 'deny');
          expect(decision.rule?.precedence).toBe(first?.precedence);
        },
      ),
    );
  });
});

test('an edge that was asked about before is decided as the first time, however many others were asked about since', () => {
  const expiring = rule('front/web', 'db', 'allow', { expiresAt: new Date(NOW + 1_000).toISOString() });
  const asked = policy('deny', expiring, rule('front/n7', 'db', 'allow'), rule('*/*', 'cache', 'allow'));
  for (const round of [0, 1]) {
    expect(ask(asked, web).action).toBe('allow');
    expect(ask(asked, web, to('shop', 'db'), NOW + 2_000).action).toBe('deny');
    for (let index = 0; index < 5_000; index++) {
      const expected = index === 7 ? 'allow' : 'deny';
      expect([round, index, ask(asked, id('front', `n${index}`)).action]).toEqual([round, index, expected]);
    }
    expect(ask(asked, web, to('shop', 'cache')).action).toBe('allow');
  }
});
