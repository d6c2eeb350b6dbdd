import type { CaProviderName } from '#core/model/ca-providers.ts';
import type { CaSettings, RotationMode } from '#core/model/ca-settings.ts';
import type { RootStatus, RotationStatus } from '#core/model/mesh-config.ts';

import { drainedAt, fingerprint, leavesAfter, nextStep, publishedFor } from './plan.ts';
import type { RotationFacts } from './plan.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const DAY = 86_400_000;
const root = (id: string, active: boolean): RootStatus => ({
  id,
  pem: id,
  active,
  notAfter: '2036-01-01T00:00:00Z',
});

function facts(more: {
  readonly ask?: RotationMode;
  readonly wants?: CaProviderName;
  readonly held?: boolean;
  readonly replaceable?: boolean;
  readonly handled?: boolean;
  readonly keyType?: CaSettings['keyType'];
  readonly age?: number;
  readonly rotation?: Partial<RotationStatus>;
  readonly signs?: 'old' | 'new';
  readonly roots?: readonly string[];
}): RotationFacts {
  const { ask, rotation, signs = 'old' } = more;
  const settings = {
    authority: { provider: more.wants ?? 'builtin' },
    keyType: more.keyType ?? 'ec-p256',
    rootTtlMs: 100 * DAY,
    request: ask && { id: 'r1', mode: ask },
  } as const;
  return {
    now: NOW,
    authority: { provider: 'builtin' },
    settings,
    status: {
      roots: (more.roots ?? (rotation ? ['old', 'new'] : ['old'])).map((id) => root(id, id === signs)),
      ...(more.handled ? { handledRequest: 'r1' } : {}),
      ...(more.held ? { held: fingerprint(settings) } : {}),
      ...(rotation
        ? {
            rotation: {
              phase: 'Published',
              reason: 'Requested',
              from: 'old',
              to: 'new',
              message: '',
              ...rotation,
            },
          }
        : {}),
    },
    active: {
      id: signs,
      keyType: 'ec-p256',
      replaceable: more.replaceable ?? true,
      notBefore: NOW - (more.age ?? 0) * DAY,
      notAfter: NOW + (100 - (more.age ?? 0)) * DAY,
    },
  };
}

const at = (ms: number): string => new Date(NOW + ms).toISOString();

describe('without a rotation', () => {
  test.each<[string, Parameters<typeof facts>[0], object]>([
    ['a young root is left alone until 70 % of its life are over', {}, { do: 'wait', until: NOW + 70 * DAY }],
    ['one day before, too', { age: 69 }, { do: 'wait', until: NOW + DAY }],
    ['then it is replaced', { age: 70 }, { do: 'begin', reason: 'Age', forced: false }],
    ['a root that has ended is replaced', { age: 101 }, { do: 'begin', reason: 'Ended', forced: false }],
    ['whatever else was asked for', { age: 101, ask: 'rehearse' }, { do: 'begin', reason: 'Ended' }],
    ['another kind of key replaces it', { keyType: 'rsa-2048' }, { do: 'begin', reason: 'KeyType' }],
    ['a request replaces it', { ask: 'graceful' }, { do: 'begin', reason: 'Requested', forced: false }],
    ['a forced one says so', { ask: 'forced' }, { do: 'begin', reason: 'Requested', forced: true }],
    ['a rehearsal is one', { ask: 'rehearse' }, { do: 'rehearse' }],
    ['there is nothing to go back from', { ask: 'abort' }, { do: 'refuse', why: 'no rotation is under way' }],
    ['a request is done once', { ask: 'graceful', handled: true }, { do: 'wait' }],
    ['another provider takes over', { wants: 'vault' }, { do: 'begin', reason: 'Provider', forced: false }],
    ['not when it was only rehearsed, or given up', { wants: 'vault', held: true }, { do: 'wait' }],
    ['until somebody asks for it', { wants: 'vault', held: true, ask: 'graceful' }, { do: 'begin' }],
    ['nor a kind of key then', { keyType: 'rsa-2048', held: true }, { do: 'wait' }],
    [
      'a root whose key is elsewhere is left to those who have it',
      { age: 99, replaceable: false, keyType: 'rsa-2048' },
      { do: 'wait' },
    ],
    ['given up, an old root waits longer', { age: 80, held: true }, { do: 'wait' }],
    ['but not for ever', { age: 85, held: true }, { do: 'begin', reason: 'Age' }],
  ])('%s', (_what, given, step) => {
    expect(nextStep(facts(given))).toMatchObject(step);
  });
});

describe('during a rotation', () => {
  const draining = { phase: 'Draining', until: at(DAY) } as const;
  test.each<[string, Parameters<typeof facts>[0], object]>([
    ['the new root is made first', { rotation: { phase: 'Preparing' } }, { do: 'publish' }],
    [
      'another choice of provider begins again',
      { rotation: { reason: 'Provider', authority: { provider: 'vault' } }, wants: 'step-ca' },
      { do: 'abandon' },
    ],
    [
      'the first choice, too',
      { rotation: { phase: 'Preparing', reason: 'Provider', authority: { provider: 'vault' } } },
      { do: 'abandon' },
    ],
    [
      'but waits when the new one signs',
      {
        rotation: { ...draining, reason: 'Provider', authority: { provider: 'vault' } },
        signs: 'new',
        wants: 'step-ca',
      },
      { do: 'wait' },
    ],
    ['both are published for a while', { rotation: { until: at(5) } }, { do: 'wait', until: NOW + 5 }],
    ['then the new one signs', { rotation: { until: at(0) } }, { do: 'switch' }],
    [
      'what the old one signed is waited for',
      { rotation: draining, signs: 'new' },
      { do: 'wait', until: NOW + DAY },
    ],
    [
      'sidecars are asked once it may end sooner',
      { rotation: { ...draining, earliest: at(0) }, signs: 'new' },
      { do: 'ask', then: 'retire', until: NOW + DAY },
    ],
    [
      'not before',
      { rotation: { ...draining, earliest: at(7) }, signs: 'new' },
      { do: 'wait', until: NOW + 7 },
    ],
    [
      'nor when it is over in any case',
      { rotation: { ...draining, earliest: at(-7), until: at(0) }, signs: 'new' },
      { do: 'retire' },
    ],
    [
      'before the new one signs, too, where the old one could not sign it',
      { rotation: { until: at(DAY), earliest: at(0) } },
      { do: 'ask', then: 'switch' },
    ],
    ['then the old one goes', { rotation: { ...draining, until: at(-1) }, signs: 'new' }, { do: 'retire' }],
    ['another kind of key waits', { rotation: draining, keyType: 'rsa-2048' }, { do: 'wait' }],
    ['a second request is refused', { rotation: draining, ask: 'graceful' }, { do: 'refuse' }],
    ['so is a rehearsal', { rotation: draining, ask: 'rehearse' }, { do: 'refuse' }],
    [
      'it can be given up while preparing',
      { rotation: { phase: 'Preparing' }, ask: 'abort' },
      { do: 'abandon' },
    ],
    ['and while both are published', { rotation: {}, ask: 'abort' }, { do: 'abandon' }],
    [
      'and taken back when the new one signs',
      { rotation: draining, signs: 'new', ask: 'abort' },
      { do: 'switch-back' },
    ],
    [
      'once',
      { rotation: draining, signs: 'old', ask: 'abort' },
      { do: 'refuse', why: 'the old root signs again already' },
    ],
    [
      'but not when the old one is gone',
      { rotation: draining, signs: 'new', roots: ['new'], ask: 'abort' },
      { do: 'refuse', why: 'the old root is gone' },
    ],
    ['it can be forced at any time', { rotation: draining, signs: 'new', ask: 'forced' }, { do: 'force' }],
  ])('%s', (_what, given, step) => {
    expect(nextStep(facts(given))).toMatchObject(step);
  });
});

describe('times', () => {
  test('both roots are published for a twentieth of a leaf’s life, within bounds', () => {
    expect([10_000, 200_000, DAY].map(publishedFor)).toEqual([2_000, 10_000, 60_000]);
  });

  test('a drain outlasts every leaf, those with the longer life of before too', () => {
    expect(drainedAt(NOW, 60_000, undefined)).toBe(NOW + 75_000);
    expect(drainedAt(NOW, 60_000, { ttl: '1m', until: at(DAY) })).toBe(NOW + DAY + 15_000);
  });

  test('a shorter life of leaves is remembered as long as the longer ones may live', () => {
    const first = leavesAfter(NOW, undefined, { text: '24h', ms: DAY, beforeMs: undefined });
    expect(first).toEqual({ ttl: '24h', until: '2026-06-01T00:00:00Z' });
    const shorter = leavesAfter(NOW, first, { text: '1m', ms: 60_000, beforeMs: DAY });
    expect(shorter).toEqual({ ttl: '1m', until: '2026-06-02T00:00:00Z' });
    const longer = leavesAfter(NOW, shorter, { text: '2h', ms: 7_200_000, beforeMs: 60_000 });
    expect(longer).toEqual({ ttl: '2h', until: '2026-06-02T00:00:00Z' });
  });
});
