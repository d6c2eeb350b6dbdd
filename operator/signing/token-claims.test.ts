import fc from 'fast-check';

import { AUDIENCE, tokenText } from './signing-world.fake.ts';
import { readClaims } from './token-claims.ts';

const NOW = 1_800_000_000_000;
const read = (token: string, now = NOW) => readClaims(token, { audience: AUDIENCE, now });
const reason = (token: string): string => {
  const result = read(token);
  return 'reason' in result ? result.reason : 'none';
};
const bound = { namespace: 'shop', pod: { name: 'a', uid: 'b' }, serviceaccount: { name: 'web' } };

test('a token of a pod says which pod it is of', () => {
  expect(read(tokenText('s', NOW))).toEqual({ namespace: 'shop', podName: 'web-1', podUid: 'web-uid' });
  expect(read(tokenText('s', NOW, { aud: AUDIENCE }))).not.toHaveProperty('reason');
});

test('a clock that is a few minutes ahead of the API server makes no difference', () => {
  expect(read(tokenText('s', NOW - 3_800_000))).not.toHaveProperty('reason');
});

test.each([
  ['a word', 'garbage', 'token-malformed'],
  ['nothing', '', 'token-malformed'],
  ['two parts', 'a.b', 'token-malformed'],
  ['four parts', `${tokenText('s', NOW)}.x`, 'token-malformed'],
  ['no signature', tokenText('', NOW), 'token-malformed'],
  ['three parts of rubbish', 'x.y.z', 'token-malformed'],
  ['no claims of Kubernetes', tokenText('s', NOW, { 'kubernetes.io': undefined }), 'token-malformed'],
  ['an expiry that is none', tokenText('s', NOW, { exp: 'never' }), 'token-malformed'],
  ['another audience', tokenText('s', NOW, { aud: ['vault'] }), 'token-audience'],
  ['many audiences', tokenText('s', NOW, { aud: Array(65).fill(AUDIENCE) }), 'token-malformed'],
  ['one that has expired', tokenText('s', NOW - 4_000_000), 'token-expired'],
  [
    'one that is bound to no pod',
    tokenText('s', NOW, { 'kubernetes.io': { ...bound, pod: undefined } }),
    'token-unbound',
  ],
])('%s is refused without asking anybody', (_what, token, expected) => {
  expect(reason(token)).toBe(expected);
});

test('whatever stands in the parts, there is an answer', () => {
  const part = fc.oneof(
    fc.string(),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url')),
  );
  fc.assert(fc.property(fc.tuple(part, part, part), (parts) => void read(parts.join('.'))));
});
