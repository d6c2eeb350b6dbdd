import type { FederationStatus } from '#core/model/federation.ts';
import { readCertificates } from '#pki/pem.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { ownBundle } from '../../federation/own-bundle.ts';
import { endpointId, federationCondition, latest, refreshMs, retryMs, take } from './plan.ts';

const NOW = Date.UTC(2026, 0, 1);
const AT = { trustDomain: 'partner.example', source: 'endpoint-1', now: NOW };

let old: TestPki;
let next: TestPki;
beforeAll(async () => {
  old = await TestPki.create({ trustDomain: 'partner.example' });
  next = await old.foreign();
});

const roots = (...of: TestPki[]) => of.flatMap(({ rootPem }) => readCertificates(rootPem));
const first = (sequence?: number) =>
  status(take(undefined, { roots: roots(old), ...(sequence === undefined ? {} : { sequence }) }, AT));
const status = (taken: ReturnType<typeof take>): FederationStatus => {
  if (!('status' in taken)) throw new Error(taken.message);
  return taken.status;
};

describe('a bundle that was fetched', () => {
  test('is taken, with its number and time', () => {
    expect(first(3)).toEqual({
      trustDomain: 'partner.example',
      bundle: expect.stringContaining('BEGIN CERTIFICATE'),
      sequence: 3,
      fetchedAt: '2026-01-01T00:00:00Z',
      endpoint: 'endpoint-1',
    });
  });

  test('of the same roots is no news: later, in another order, or twice', () => {
    const both = status(take(undefined, { roots: roots(old, next), sequence: 3 }, AT));
    const again = { roots: roots(next, old, next), sequence: 3 };
    expect(take(both, again, { ...AT, now: NOW + 1000 })).toEqual({ result: 'unchanged', status: both });
  });

  test('of the same roots with a higher number raises the number, so that what lies between is older', () => {
    const raised = take(first(3), { roots: roots(old), sequence: 9 }, { ...AT, now: NOW + 1000 });
    expect(raised).toEqual({ result: 'unchanged', status: { ...first(3), sequence: 9 } });
    expect(take(status(raised), { roots: roots(next), sequence: 5 }, AT).result).toBe('refused');
  });

  test.each([
    ['a lower number', 2],
    ['no number', undefined],
  ])('of the same roots with %s lowers no number', (_what, sequence) => {
    const bundle = { roots: roots(old), ...(sequence === undefined ? {} : { sequence }) };
    expect(take(first(3), bundle, AT)).toEqual({ result: 'unchanged', status: first(3) });
  });

  test('takes back what was wrong before', () => {
    const taken = take({ ...first(), message: 'away' }, { roots: roots(old) }, AT);
    expect(status(taken)).toEqual(first());
  });

  test.each([
    ['with a higher number', 3, 4, 'changed'],
    ['with the same number', 3, 3, 'changed'],
    ['without a number', 3, undefined, 'refused'],
    ['without a number, as ever', undefined, undefined, 'changed'],
    ['with the first number', undefined, 1, 'changed'],
    ['with a lower number', 3, 2, 'refused'],
  ])('of other roots %s', (_what, before, after, result) => {
    const bundle = { roots: roots(next), ...(after === undefined ? {} : { sequence: after }) };
    expect(take(first(before), bundle, AT).result).toBe(result);
  });

  test('is not taken when it is older, whatever was offered and refused in between', () => {
    const unnumbered = take(first(5), { roots: roots(next) }, AT);
    expect(unnumbered).toMatchObject({ result: 'refused', message: expect.stringContaining('no number') });
    expect(take(first(5), { roots: roots(next), sequence: 4 }, AT)).toMatchObject({
      result: 'refused',
      message: expect.stringContaining('write its entry again'),
    });
  });

  test('of another endpoint is not measured by the numbers of the last one', () => {
    expect(take(first(3), { roots: roots(next), sequence: 1 }, { ...AT, source: 'endpoint-2' }).result).toBe(
      'changed',
    );
  });

  test('without roots takes trust away', () => {
    const taken = take(first(3), { roots: [], sequence: 4 }, AT);
    expect(taken).toMatchObject({
      result: 'withdrawn',
      status: { bundle: '', message: expect.stringContaining('has taken its keys back') },
    });
    expect(take(status(taken), { roots: [], sequence: 4 }, AT)).toEqual({
      result: 'unchanged',
      status: status(taken),
    });
    // An older one, handed out again, gives none back.
    expect(take(status(taken), { roots: roots(old), sequence: 3 }, AT).result).toBe('refused');
    expect(status(take(status(taken), { roots: roots(next), sequence: 5 }, AT)).message).toBeUndefined();
  });
});

describe('what is known', () => {
  test.each<[string, FederationStatus | undefined, FederationStatus | undefined, number | undefined]>([
    [
      'is what another leader published, where that is later',
      { trustDomain: 'a', endpoint: 'e', sequence: 3 },
      { trustDomain: 'a', endpoint: 'e', sequence: 5 },
      5,
    ],
    [
      'is what was fetched here, where that is later',
      { trustDomain: 'a', endpoint: 'e', sequence: 6 },
      { trustDomain: 'a', endpoint: 'e', sequence: 5 },
      6,
    ],
    [
      'is what another leader published with a number, where none is known here',
      { trustDomain: 'a', endpoint: 'e' },
      { trustDomain: 'a', endpoint: 'e', sequence: 5 },
      5,
    ],
    [
      'is what was fetched here from another endpoint',
      { trustDomain: 'a', endpoint: 'new', sequence: 1 },
      { trustDomain: 'a', endpoint: 'e', sequence: 5 },
      1,
    ],
    [
      'is what is published before the first look',
      undefined,
      { trustDomain: 'a', endpoint: 'e', sequence: 5 },
      5,
    ],
    [
      'is what was fetched here before the first write',
      { trustDomain: 'a', endpoint: 'e', sequence: 1 },
      undefined,
      1,
    ],
    ['is nothing at first', undefined, undefined, undefined],
  ])('%s', (_what, here, there, sequence) => {
    expect(latest(here, there)?.sequence).toBe(sequence);
  });
});

describe('the next look', () => {
  test.each([
    [undefined, 300_000],
    [0, 300_000],
    [1, 60_000],
    [600, 600_000],
    [1e9, 3_600_000],
  ])('with a hint of %s s is in %d ms at most, and a tenth sooner at least', (hint, ms) => {
    expect(refreshMs(hint, 1)).toBe(ms);
    expect(refreshMs(hint, 0)).toBe(ms * 0.9);
  });

  test('after a failure is soon while nothing is known, else as seldom as usual', () => {
    expect([1, 2, 3, 20].map((misses) => retryMs(misses, false, 1))).toEqual([
      5_000, 10_000, 20_000, 300_000,
    ]);
    expect(retryMs(1, true, 1)).toBe(300_000);
  });
});

test('the condition names every trust domain that is not as it should be', () => {
  expect(federationCondition([], [])).toBeUndefined();
  expect(federationCondition(['partner.example'], [first()])).toMatchObject({ status: 'True' });
  expect(
    federationCondition(
      ['partner.example', 'new.example', 'old.example'],
      [first(), { trustDomain: 'old.example', bundle: 'PEM', message: 'away' }],
    ),
  ).toMatchObject({
    status: 'False',
    message: 'new.example: no bundle is known yet; old.example: away',
  });
});

test('an endpoint is known by all that is written of it, in whatever order', () => {
  const endpoint = { url: 'https://a/', profile: 'https_web' } as const;
  expect(endpointId({ profile: 'https_web', url: 'https://a/' })).toBe(endpointId(endpoint));
  expect(endpointId({ ...endpoint, caCertificate: 'x' })).not.toBe(endpointId(endpoint));
});

test('the number of our own bundle grows with each change of the roots, and with nothing else', () => {
  const root = (id: string) => ({ id, pem: '', active: true, notAfter: '' });
  const one = ownBundle(undefined, [root('a')], NOW);
  expect(one.sequence).toBe(NOW / 1000);
  expect(ownBundle(one, [{ ...root('a'), active: false }], NOW + 5000)).toBe(one);
  const two = ownBundle(one, [root('a'), root('b')], NOW);
  expect(two.sequence).toBe(one.sequence + 1);
  expect(ownBundle(two, [root('b'), root('a')], NOW)).toBe(two);
  expect(ownBundle(two, [root('a')], NOW).sequence).toBe(one.sequence + 2);
});
