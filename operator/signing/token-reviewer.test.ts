import { FakeClock } from '#base/testing/clock.fake.ts';
import type { TokenReview } from '#kube/types.ts';

import { StoreApi } from '../ca/store-api.fake.ts';
import { TokenReviewer } from './token-reviewer.ts';

const signal = new AbortController().signal;

describe('the token reviewer', () => {
  test('remembers a bounded number of tokens, and none by its text', async () => {
    const store = new StoreApi();
    store.answers.set('tokenreviews', (review) => ({
      ...(review as TokenReview),
      status: {
        authenticated: true,
        audiences: ['a'],
        user: {
          username: 'system:serviceaccount:shop:web',
          groups: ['system:serviceaccounts'],
          extra: {
            'authentication.kubernetes.io/pod-name': ['web-1'],
            'authentication.kubernetes.io/pod-uid': ['u'],
          },
        },
      },
    }));
    const reviewer = new TokenReviewer({ api: store.api, clock: new FakeClock(0), maxCached: 10 });
    for (let index = 0; index < 50; index += 1) await reviewer.caller(`token-${index}`, 'a', signal);
    expect(reviewer.cached).toBe(10);
    await reviewer.caller('token-49', 'a', signal);
    expect(store.calls).toHaveLength(50);
    // What was accepted for one audience says nothing about another.
    expect(await reviewer.caller('token-49', 'b', signal)).toMatchObject({ reason: 'token-audience' });
    expect(store.calls).toHaveLength(51);
  });
});
