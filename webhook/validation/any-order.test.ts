import fc from 'fast-check';

import type { RawIntention } from '#core/policy/rule.ts';
import { NOW, fakeWebhook } from '../webhook.fake.ts';
import { readObject } from './object.ts';
import { validate } from './validate.ts';

/**
 * Tools that keep rules in git apply them in an order of their own: a rename creates before it deletes, a prune deletes first,
 * two edits come in the order of file names. Whatever set of good rules is stored, any other must be reachable in any order.
 */
type Step = { readonly put: string; readonly spec: object } | { readonly remove: string };

/** Intentions of the namespace shop, written through admission one after the other; throws where a step is refused. */
class Namespace {
  readonly stored = new Map<string, RawIntention>();
  readonly warnings: string[] = [];

  run(steps: readonly Step[]): this {
    for (const step of steps) {
      if ('remove' in step) this.stored.delete(step.remove);
      else this.#put(step.put, step.spec);
    }
    return this;
  }

  #put(name: string, spec: object): void {
    const metadata = { name, namespace: 'shop' };
    const before = this.stored.get(name);
    const outcome = validate(
      'intentions',
      readObject({ metadata, spec }, 'shop')!,
      before && readObject(before, 'shop'),
      {
        view: fakeWebhook({ intentions: [...this.stored.values()] }).view,
        meshNamespace: 'mesh',
        now: NOW,
      },
    );
    if (!outcome.allowed) throw new Error(outcome.refused);
    this.warnings.push(...outcome.warnings);
    this.stored.set(name, { metadata, spec });
  }
}

const rule = (source: string, action = 'allow', more: object = {}) => ({
  source: { service: source },
  destination: { service: 'db' },
  action,
  ...more,
});
const EXPIRED = '2026-05-31T23:59:59Z';

test.each<[string, Step[], Step[]]>([
  [
    'a rename that creates before it deletes (Helm, Argo CD, Flux, kubectl apply --prune)',
    [{ put: 'old-name', spec: rule('web') }],
    [{ put: 'new-name', spec: rule('web') }, { remove: 'old-name' }],
  ],
  [
    'a rename that turns the action at the same time',
    [{ put: 'open', spec: rule('web') }],
    [{ put: 'closed', spec: rule('web', 'deny') }, { remove: 'open' }],
  ],
  [
    'two rules that swap their sources',
    [
      { put: 'a', spec: rule('web') },
      { put: 'b', spec: rule('api', 'deny') },
    ],
    [
      { put: 'a', spec: rule('api') },
      { put: 'b', spec: rule('web', 'deny') },
    ],
  ],
  [
    'three rules that hand their sources on in a circle',
    [
      { put: 'a', spec: rule('one') },
      { put: 'b', spec: rule('two') },
      { put: 'c', spec: rule('three') },
    ],
    [
      { put: 'a', spec: rule('two') },
      { put: 'b', spec: rule('three') },
      { put: 'c', spec: rule('one') },
    ],
  ],
  ['the same file under two names', [{ put: 'a', spec: rule('web') }], [{ put: 'b', spec: rule('web') }]],
  [
    'a rule that has expired, created again',
    [],
    [{ put: 'a', spec: rule('web', 'allow', { expiresAt: EXPIRED }) }],
  ],
  [
    'a rule that has expired, deleted by mistake and restored',
    [{ put: 'a', spec: rule('web', 'allow', { expiresAt: '2026-12-01T00:00:00Z' }) }],
    [{ remove: 'a' }, { put: 'a', spec: rule('web', 'allow', { expiresAt: EXPIRED }) }],
  ],
  [
    'a rule whose end is moved to a time that has passed',
    [{ put: 'a', spec: rule('web', 'allow', { expiresAt: '2026-12-01T00:00:00Z' }) }],
    [{ put: 'a', spec: rule('web', 'allow', { expiresAt: EXPIRED }) }],
  ],
])('stored without objection: %s', (_what, before, steps) => {
  for (const order of [steps, [...steps].reverse()]) new Namespace().run(before).run(order);
});

const name = fc.constantFrom('rule-one', 'rule-two', 'rule-three', 'rule-four');
const anySpec = fc
  .record({
    source: fc.constantFrom('web', 'api', '*'),
    action: fc.constantFrom('allow', 'deny'),
    mode: fc.constantFrom('enforce', 'audit'),
    expiresAt: fc.constantFrom(undefined, EXPIRED, '2026-12-01T00:00:00Z'),
  })
  .map(({ source, action, mode, expiresAt }) =>
    rule(source, action, { mode, ...(expiresAt === undefined ? {} : { expiresAt }) }),
  );
const anyRules = fc.dictionary(name, anySpec);
const puts = (rules: Record<string, object>): Step[] =>
  Object.entries(rules).map(([put, spec]) => ({ put, spec }));

test('from any set of good rules any other is reached in any order of its steps, and no warning names another rule', () => {
  fc.assert(
    fc.property(anyRules, anyRules, fc.infiniteStream(fc.nat()), (before, after, chance) => {
      const removes = Object.keys(before).filter((key) => !(key in after));
      const steps: Step[] = [...puts(after), ...removes.map((remove) => ({ remove }))]
        .map((step) => ({ step, at: chance.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ step }) => step);
      const namespace = new Namespace().run(puts(before)).run(steps);
      expect([...namespace.stored.keys()].sort()).toEqual(Object.keys(after).sort());
      expect(namespace.warnings.filter((warning) => /rule-(one|two|three|four)/.test(warning))).toEqual([]);
    }),
    { numRuns: 500 },
  );
});
