import { readFileSync } from 'node:fs';

import { answer, REASONS } from './refusal.ts';
import type { Reason } from './refusal.ts';

const DOCUMENT = new URL('../../docs/reference/certificates.md', import.meta.url);

describe('the reasons of refusals', () => {
  test('are each in the documentation, with their status, and no others', () => {
    const rows = [...readFileSync(DOCUMENT, 'utf8').matchAll(/^\| `([a-z-]+)`\s+\| (\d{3})/gm)];
    const documented = Object.fromEntries(rows.map(([, reason, status]) => [reason, Number(status)]));
    const actual = Object.keys(REASONS).map((reason) => [
      reason,
      answer({ reason: reason as Reason, message: '' }, '').status,
    ]);
    expect(documented).toEqual(Object.fromEntries(actual));
  });

  test('that pass by themselves say when to ask again, in whole seconds and never at once', () => {
    const retry = (retryAfterMs?: number) =>
      answer({ reason: 'busy', message: '', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }, 'x')
        .headers['Retry-After'];
    expect([retry(), retry(1), retry(1001), retry(60_000)]).toEqual(['1', '1', '2', '60']);
    expect(answer({ reason: 'pod-gone', message: '' }, 'x').headers).toEqual({});
    expect(answer({ reason: 'token-missing', message: '' }, 'x').headers).toEqual({
      'WWW-Authenticate': 'Bearer',
    });
  });

  test('never carry their exact text to the asker', () => {
    for (const reason of Object.keys(REASONS) as Reason[]) {
      expect(JSON.stringify(answer({ reason, message: 'exact-text' }, 'r1'))).not.toContain('exact-text');
    }
  });
});
