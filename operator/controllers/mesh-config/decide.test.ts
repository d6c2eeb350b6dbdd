import { trustDomain } from '#core/spiffe-id.ts';

import type { MeshConfigStatus } from '#core/model/mesh-config.ts';

import { meshConfigConditions, scopeFaults, settingsToApply } from './decide.ts';

const SCOPE = { trustDomain: trustDomain('corp.example'), datacenter: 'eu' };

describe('the chart’s settings', () => {
  test('all are written when they agree with what identities carry', () => {
    const given = { trustDomain: 'corp.example', leafTTL: '1h' };
    expect(settingsToApply(given, SCOPE)).toEqual({ spec: given, refused: [] });
  });

  test('another trust domain or datacenter is refused by name; the rest is written', () => {
    const { spec, refused } = settingsToApply(
      { trustDomain: 'other.example', datacenter: 'us', leafTTL: '1h' },
      SCOPE,
    );
    expect(spec).toEqual({ trustDomain: 'corp.example', datacenter: 'eu', leafTTL: '1h' });
    expect(refused.join('\n')).toMatch(
      /trustDomain cannot change from "corp.example" to "other.example"[^]*datacenter cannot change from "eu" to "us"/,
    );
  });
});

describe('a MeshConfig as it stands', () => {
  test.each([
    [{ trustDomain: 'corp.example', datacenter: 'eu' }, 0],
    [{ trustDomain: 'corp.example', datacenter: 'us' }, 1],
    [{}, 2],
    [undefined, 2],
  ])('%j departs from the identities in %i fields', (spec, count) => {
    expect(scopeFaults(spec, SCOPE)).toHaveLength(count);
  });

  test('conditions', () => {
    const seen = (faults: string[], authority?: string) =>
      meshConfigConditions(faults, authority, undefined).map(({ type, status }) => `${type} ${status}`);
    expect(seen([])).toEqual(['Accepted True', 'AuthorityReady True', 'NextAuthorityReady True']);
    expect(seen(['x'], 'Secret gone')).toEqual([
      'Accepted False',
      'AuthorityReady False',
      'NextAuthorityReady True',
    ]);
  });

  test('an authority that has not signed yet is a condition that says why, and who signs meanwhile', () => {
    const message = 'the new root cannot be made: vault is away';
    const rotation = { phase: 'Preparing', message } as MeshConfigStatus['rotation'];
    expect(meshConfigConditions([], undefined, rotation).at(-1)).toMatchObject({
      ...{ type: 'NextAuthorityReady', status: 'False', reason: 'HasNotSigned' },
      message: `${message}; until the next authority has signed, the one before it goes on signing`,
    });
  });
});
