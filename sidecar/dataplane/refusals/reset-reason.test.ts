import { REFUSALS } from '#core/refusals.ts';
import type { RefusalReason, ResetReason } from '#core/refusals.ts';

import { StreamReset, codeOf, reasonOf, resetReasonFor } from './reset-reason.ts';

/** What stands on the wire. A line may be added; none may change, or peers of two versions misunderstand each other. */
const GOLDEN: Readonly<Record<ResetReason, number>> = {
  denied: 1,
  'port-not-declared': 2,
  'app-unreachable': 3,
  draining: 4,
  'not-ready': 5,
  limit: 6,
  'untrusted-certificate': 7,
  'expired-certificate': 8,
  'app-reset': 9,
  idle: 10,
  cancelled: 11,
  'protocol-error': 12,
  'tunnel-lost': 13,
};

test.each(Object.entries(GOLDEN))('%s is %i for ever', (reason, code) => {
  expect(codeOf(reason as ResetReason)).toBe(code);
  expect(reasonOf(code)).toBe(reason);
});

test('no number stands for two reasons, and none for more than the table says', () => {
  const known = Array.from({ length: 65_536 }, (_, code) => reasonOf(code)).filter(Boolean);
  expect(known.sort()).toEqual(Object.keys(GOLDEN).sort());
});

test('a number of a newer version is no reason, and its text is kept', () => {
  const reset = new StreamReset({ code: 4_711, text: 'the moon is full' });
  expect(reset.reason).toBeUndefined();
  expect(reset.message).toBe('the moon is full');
});

test('every refusal has a word on the wire; those that peers need not tell apart have the same', () => {
  const words = Object.fromEntries(
    Object.keys(REFUSALS).map((reason) => [reason, resetReasonFor(reason as RefusalReason)]),
  );
  expect(words).toMatchObject({
    denied: 'denied',
    'port-not-declared': 'port-not-declared',
    'app-unreachable': 'app-unreachable',
    draining: 'draining',
    'not-ready': 'not-ready',
    limit: 'limit',
    'untrusted-certificate': 'untrusted-certificate',
    'expired-certificate': 'expired-certificate',
  });
  const others = Object.entries(words).filter(([reason, word]) => reason !== word);
  expect(new Set(others.map(([, word]) => word))).toEqual(new Set(['app-reset']));
});
