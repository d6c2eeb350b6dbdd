import fc from 'fast-check';

import type { IntentionSpec } from './intention.ts';
import { intentionWarnings } from './intention-warnings.ts';

const NOW = Date.UTC(2026, 5, 1);
const rule: IntentionSpec = { source: { service: 'web' }, destination: { service: 'db' }, action: 'allow' };
const twin = (more: object = {}, metadata: object = {}) => ({
  metadata: { name: 'two', namespace: 'shop', ...metadata },
  spec: { ...rule, ...more },
});

function warnings(
  spec: IntentionSpec,
  others: readonly object[] = [],
  services = ['web', 'db'],
): readonly string[] {
  return intentionWarnings(
    { metadata: { name: 'one', namespace: 'shop' }, spec },
    { meshNamespace: 'mesh', now: NOW, intentions: others as never, services: new Set(services) },
  );
}

const DUPLICATE =
  'another Intention of this namespace has the same source and destination: both are stored, deny wins where they contradict each other, and the condition Conflicted of both says so; keep one';

test.each<[string, object[], string[]]>([
  ['alone', [], []],
  ['beside one that says the same', [twin()], [DUPLICATE]],
  ['beside one that says the contrary', [twin({ action: 'deny' })], [DUPLICATE]],
  ['beside many', [twin(), twin({}, { name: 'three' })], [DUPLICATE]],
  ['beside itself, as it was', [twin({ action: 'deny' }, { name: 'one' })], []],
  ['beside one that is being deleted', [twin({}, { deletionTimestamp: '2026-06-01T00:00:00Z' })], []],
  ['beside one that has expired', [twin({ expiresAt: '2026-01-01T00:00:00Z' })], []],
  ['beside one in audit mode', [twin({ mode: 'audit' })], []],
  ['beside one that cannot be read', [twin({ later: 1 })], []],
])('a rule %s', (_what, others, expected) => {
  expect(warnings(rule, others)).toEqual(expected);
});

test('a rule that has expired', () => {
  expect(warnings({ ...rule, expiresAt: '2026-05-31T23:59:59Z' }, [twin()])).toEqual([
    'spec.expiresAt "2026-05-31T23:59:59Z" has passed: the rule is stored and does not count; its condition Expired says so',
  ]);
  expect(warnings({ ...rule, expiresAt: '2026-06-01T00:00:01Z' })).toEqual([]);
});

test('a service that does not exist is a warning in its own namespace and in no other', () => {
  expect(warnings(rule, [], [])).toEqual([
    'the destination shop/db does not exist yet; the rule counts as soon as it does',
    'the source shop/web does not exist yet; the rule counts as soon as it does',
  ]);
  expect(warnings({ ...rule, source: { service: 'web', namespace: 'front' } }, [], ['db'])).toEqual([]);
  expect(warnings({ ...rule, source: { spiffeId: 'spiffe://partner.example/x' } }, [], ['db'])).toEqual([]);
  expect(warnings({ ...rule, source: { service: '*' }, destination: { service: '*' } }, [], [])).toEqual([]);
});

test('whatever else is stored, no warning is longer than the API server passes on', () => {
  const other = fc.record({
    metadata: fc.record({ name: fc.string(), namespace: fc.constant('shop') }),
    spec: fc.anything(),
  });
  fc.assert(
    fc.property(fc.array(other, { maxLength: 5 }), (others) => {
      const long = 'x'.repeat(63);
      const found = warnings(
        { ...rule, source: { service: long }, destination: { service: long } },
        others,
        [],
      );
      for (const warning of found) expect(warning.length).toBeLessThanOrEqual(256);
    }),
  );
});
