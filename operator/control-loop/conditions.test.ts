import { rfc3339 } from '#base/times.ts';

import { isFalse, isTrue, mergeConditions } from './conditions.ts';

const T0 = Date.parse('2026-01-01T00:00:00Z');
const T1 = Date.parse('2026-01-01T01:00:00.789Z');

describe('conditions of a status', () => {
  const first = mergeConditions(undefined, [isTrue('Accepted', 'Valid', 'ok')], 1, T0);

  test('a new condition carries the time and the generation', () => {
    expect(first).toEqual([
      {
        type: 'Accepted',
        status: 'True',
        reason: 'Valid',
        message: 'ok',
        lastTransitionTime: '2026-01-01T00:00:00Z',
        observedGeneration: 1,
      },
    ]);
  });

  test('the transition time stays when only reason, message or generation change', () => {
    expect(mergeConditions(first, [isTrue('Accepted', 'Other', 'else')], 2, T1)[0]).toEqual({
      type: 'Accepted',
      status: 'True',
      reason: 'Other',
      message: 'else',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration: 2,
    });
  });

  test('the transition time moves when the status changes', () => {
    expect(mergeConditions(first, [isFalse('Accepted', 'Invalid', 'no')], 1, T1)[0]?.lastTransitionTime).toBe(
      '2026-01-01T01:00:00Z',
    );
  });

  test('conditions that somebody else owns are kept', () => {
    const foreign = {
      type: 'Enforced',
      status: 'True',
      reason: 'All',
      message: '',
      lastTransitionTime: rfc3339(T0),
    } as const;
    expect(mergeConditions([foreign, ...first], [isTrue('Accepted', 'Valid', 'ok')], 1, T1)).toEqual([
      ...first,
      foreign,
    ]);
  });

  test('a message longer than the API allows is cut', () => {
    expect(mergeConditions([], [isTrue('A', 'B', 'x'.repeat(5000))], 1, T0)[0]?.message).toHaveLength(1024);
  });
});
