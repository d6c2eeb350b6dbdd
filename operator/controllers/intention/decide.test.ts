import { toRule } from '#core/policy/rule.ts';
import type { Rule } from '#core/policy/rule.ts';

import { decideIntention } from './decide.ts';
import { EdgeIndex } from './edge-index.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const BEFORE = '2026-05-31T23:59:59Z';
const AFTER = '2026-06-01T00:00:01Z';

interface Given {
  readonly name?: string;
  readonly source?: string;
  readonly action?: string;
  readonly mode?: string;
  readonly expiresAt?: string;
  readonly override?: boolean;
  readonly namespace?: string;
  readonly spec?: unknown;
}

function rule({
  name = 'one',
  source = 'web',
  action = 'allow',
  namespace = 'shop',
  spec,
  ...more
}: Given = {}): Rule {
  const written = { source: { service: source }, destination: { service: 'db' }, action, ...more };
  return toRule({ metadata: { name, namespace, uid: name, generation: 1 }, spec: spec ?? written }, 'mesh');
}

function conditions(
  one: Rule,
  others: readonly Rule[] = [],
  faults: readonly string[] = [],
): Record<string, string> {
  const verdict = decideIntention({ rule: one, faults, others, now: NOW });
  return Object.fromEntries(
    verdict.conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );
}

describe('the status of an intention', () => {
  test.each<[string, Rule, Rule[], string[], object]>([
    [
      'alone',
      rule(),
      [],
      [],
      { Accepted: 'True Valid', Conflicted: 'False NoConflict', Expired: 'False NoExpiry' },
    ],
    [
      'with a fault',
      rule(),
      [],
      ['spec.x: no'],
      { Accepted: 'False Invalid', Conflicted: 'False NoConflict' },
    ],
    ['unreadable', rule({ spec: { action: 'shrug' } }), [], [], { Accepted: 'False Unreadable' }],
    [
      'contradicted',
      rule(),
      [rule({ name: 'two', action: 'deny' })],
      [],
      { Accepted: 'True Valid', Conflicted: 'True SameEdge' },
    ],
    ['repeated', rule(), [rule({ name: 'two' })], [], { Conflicted: 'True SameEdge' }],
    [
      'beside one in audit mode, which decides nothing',
      rule(),
      [rule({ name: 'two', action: 'deny', mode: 'audit' })],
      [],
      { Conflicted: 'False NoConflict' },
    ],
    [
      'in audit mode, beside one that decides',
      rule({ mode: 'audit' }),
      [rule({ name: 'two', action: 'deny' })],
      [],
      { Conflicted: 'False NoConflict' },
    ],
    [
      'in audit mode, contradicted in audit mode',
      rule({ mode: 'audit' }),
      [rule({ name: 'two', action: 'deny', mode: 'audit' })],
      [],
      { Conflicted: 'True SameEdge' },
    ],
    [
      "an override outside of the mesh's own namespace",
      rule({ override: true }),
      [rule({ name: 'two', action: 'deny' })],
      ['spec.override: no'],
      { Accepted: 'False Invalid', Conflicted: 'True SameEdge' },
    ],
    [
      'an override, beside an ordinary rule',
      rule({ override: true, namespace: 'mesh' }),
      [rule({ name: 'two', action: 'deny', namespace: 'mesh' })],
      [],
      { Accepted: 'True Valid', Conflicted: 'False NoConflict' },
    ],
    [
      'an override, beside another',
      rule({ override: true, namespace: 'mesh' }),
      [rule({ name: 'two', action: 'deny', override: true, namespace: 'mesh' })],
      [],
      { Conflicted: 'True SameEdge' },
    ],
    [
      'contradicted by one that ended',
      rule(),
      [rule({ name: 'two', action: 'deny', expiresAt: BEFORE })],
      [],
      { Conflicted: 'False NoConflict' },
    ],
    ['ended', rule({ expiresAt: BEFORE }), [], [], { Expired: 'True TimePassed' }],
    [
      'ended, beside another',
      rule({ expiresAt: BEFORE }),
      [rule({ name: 'two' })],
      [],
      { Expired: 'True TimePassed', Conflicted: 'False NoConflict' },
    ],
    ['ending later', rule({ expiresAt: AFTER }), [], [], { Expired: 'False NotYet' }],
  ])('%s', (_name, one, others, faults, expected) => {
    expect(conditions(one, others, faults)).toMatchObject(expected);
  });

  test('says what it does, in one sentence', () => {
    const message = (given: Given): string | undefined =>
      decideIntention({ rule: rule(given), faults: [], others: [], now: NOW }).conditions[0]?.message;
    expect(message({})).toBe('allows shop/web to shop/db, precedence 9');
    expect(message({ action: 'deny', source: '*' })).toBe('denies shop/* to shop/db, precedence 8');
    expect(message({ override: true, namespace: 'mesh' })).toBe(
      'allows mesh/web to mesh/db, override, precedence 19',
    );
    expect(message({ mode: 'audit', action: 'deny' })).toBe(
      'reports where it would deny shop/web to shop/db, precedence 9',
    );
  });

  test('names the others and who wins', () => {
    const others = [rule({ name: 'two', action: 'deny' }), rule({ name: 'three' })];
    const { conditions: found } = decideIntention({ rule: rule(), faults: [], others, now: NOW });
    expect(found[1]?.message).toBe(
      'shop/two (deny), shop/three (allow) are about shop/web to shop/db too: they contradict each other, and deny wins; keep one',
    );
  });

  test('an unreadable one has no precedence, and says what it closes and why', () => {
    const unreadable = rule({
      spec: { source: { service: 'web' }, destination: { service: 'db' }, action: 'shrug' },
    });
    const verdict = decideIntention({
      rule: unreadable,
      faults: ['spec.action: write "allow" or "deny"'],
      others: [],
      now: NOW,
    });
    expect(verdict.precedence).toBeUndefined();
    expect(verdict.conditions[0]?.message).toBe(
      'cannot be read, so it denies shop/web to shop/db: spec.action: write "allow" or "deny"',
    );
    const lost = decideIntention({ rule: rule({ spec: 7 }), faults: [], others: [], now: NOW });
    expect(lost.conditions[0]?.message).toMatch(/^cannot be read, so it denies every connection into shop: /);
  });

  test('asks to be looked at when it ends, and not after', () => {
    expect(
      decideIntention({ rule: rule({ expiresAt: AFTER }), faults: [], others: [], now: NOW }).lookAgainAt,
    ).toBe(NOW + 1000);
    expect(
      decideIntention({ rule: rule({ expiresAt: BEFORE }), faults: [], others: [], now: NOW }).lookAgainAt,
    ).toBeUndefined();
  });
});

describe('the index of edges', () => {
  test('tells which other rules a change touches: old edge and new edge', () => {
    const index = new EdgeIndex();
    expect([...index.set('shop/one', rule())]).toEqual([]);
    expect([...index.set('shop/two', rule({ name: 'two' }))]).toEqual(['shop/one']);
    expect([...index.set('shop/three', rule({ name: 'three', source: 'api' }))]).toEqual([]);
    expect([...index.set('shop/two', rule({ name: 'two', source: 'api' }))].sort()).toEqual([
      'shop/one',
      'shop/three',
    ]);
    expect(index.others('shop/three').map(({ ref }) => ref.key)).toEqual(['shop/two']);
    expect([...index.set('shop/two', undefined)]).toEqual(['shop/three']);
    expect(index.others('shop/three')).toEqual([]);
  });

  test('an override and an ordinary rule about the same source and destination have two edges', () => {
    const index = new EdgeIndex();
    const ofPlatform = (name: string, override: boolean) => rule({ name, namespace: 'mesh', override });
    expect([...index.set('mesh/one', ofPlatform('one', true))]).toEqual([]);
    expect([...index.set('mesh/two', ofPlatform('two', false))]).toEqual([]);
    expect([...index.set('mesh/two', ofPlatform('two', true))]).toEqual(['mesh/one']);
    expect([...index.set('mesh/two', ofPlatform('two', false))]).toEqual(['mesh/one']);
  });

  test('an unreadable rule shares its edge with none', () => {
    const index = new EdgeIndex();
    index.set('shop/one', rule({ name: 'one', source: '*' }));
    index.set('shop/bad', rule({ name: 'bad', spec: {} }));
    expect(index.others('shop/bad')).toEqual([]);
    expect(index.others('shop/one')).toEqual([]);
  });
});
