import { endings } from './expiry.ts';
import type { WatchedCertificate } from './expiry.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const DAY = 86_400_000;

/** With a life of a hundred days, so many of which are left. */
function certificate(left: number, more: Partial<WatchedCertificate> = {}): WatchedCertificate {
  const notAfter = NOW + left * DAY;
  return { name: 'the root', notBefore: notAfter - 100 * DAY, notAfter, remedy: 'replace it', ...more };
}

const told = (...certificates: WatchedCertificate[]): string[] =>
  endings(certificates, NOW).map(({ sentence }) => sentence);

test.each<[number, RegExp | undefined]>([
  [100, undefined],
  [30, undefined],
  [29.9, /^the root ends on 2026-06-30T\d\d:\d\d:\d\dZ, less than 30 % of its life is left: replace it$/],
  [10, /less than 30 %/],
  [9.9, /less than 10 %/],
  [0, /^the root ended on 2026-06-01T00:00:00Z: replace it$/],
  [-365, /^the root ended on 2025-/],
])('with %d %% of its life left', (left, text) => {
  const [sentence] = told(certificate(left));
  if (text) expect(sentence).toMatch(text);
  else expect(sentence).toBeUndefined();
});

test('the sentence of one threshold stays the same, so that it is told once', () => {
  const one = certificate(29);
  expect(endings([one], NOW + DAY)).toEqual(endings([one], NOW));
});

test('one whose successor is on its way is told of near its very end only', () => {
  expect(told(certificate(20, { isReplaced: true }))).toEqual([]);
  expect(told(certificate(5, { isReplaced: true }))).toHaveLength(1);
});

test('the first to end comes first', () => {
  const names = told(
    certificate(20, { name: 'b' }),
    certificate(-1, { name: 'a' }),
    certificate(5, { name: 'c' }),
  );
  expect(names.map(([first]) => first)).toEqual(['a', 'c', 'b']);
  expect(endings([certificate(-1)], NOW)[0]?.hasEnded).toBe(true);
});
