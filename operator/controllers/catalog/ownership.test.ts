import fc from 'fast-check';

import { kubeService } from './catalog-objects.fake.ts';
import { meaningOf } from './ownership.ts';
import type { Meaning, ServiceSituation } from './ownership.ts';

interface Given {
  readonly running?: readonly string[];
  readonly ready?: readonly string[];
  readonly owner?: string;
  readonly claimants?: readonly string[];
  readonly known?: boolean;
  readonly pinned?: boolean;
  readonly foreign?: boolean;
}

/** What the Service `data` means. */
function meaning(given: Given): Meaning {
  const ready = given.ready ?? [];
  const situation: ServiceSituation = {
    service: kubeService('data', {}),
    running: new Set([...(given.running ?? []), ...ready]),
    ready: new Set(ready),
    owner: given.owner,
    claimants: given.claimants ?? [],
    known: given.known ?? (given.owner !== undefined || (given.claimants ?? []).length > 0),
    pinned: given.pinned ?? false,
    hasForeignEndpoints: () => given.foreign ?? false,
  };
  return meaningOf(situation);
}

const owned = (by: string): Meaning => ({ kind: 'owned', by });
const ambiguous = (...among: string[]): Meaning => ({ kind: 'ambiguous', among });
const outside = (...waiting: string[]): Meaning => ({ kind: 'outside', waiting });

describe('a Kubernetes Service that was not of the mesh', () => {
  test.each<[string, Given, Meaning]>([
    ['is outside without pods of the mesh', {}, outside()],
    ['is its only service’s before the first pod is ready', { running: ['db'] }, owned('db')],
    [
      'is its only ready service’s, whoever else has a pod that is not ready',
      { ready: ['db'], running: ['evil'] },
      owned('db'),
    ],
    ['is nobody’s with two ready services', { ready: ['a', 'b'] }, ambiguous('a', 'b')],
    ['is nobody’s with two services that are not ready yet', { running: ['a', 'b'] }, ambiguous('a', 'b')],
    ['is that of its own name among several', { ready: ['a', 'data'] }, owned('data')],
    [
      'stays outside while it serves pods outside of the mesh, for a pod that is not ready',
      { running: ['evil'], foreign: true },
      outside('evil'),
    ],
    [
      'stays outside while it serves pods outside of the mesh, for a ready pod too',
      { ready: ['db'], foreign: true },
      outside('db'),
    ],
    [
      'is taken in at once by a MeshService of its name that a user wrote',
      { pinned: true, foreign: true, ready: ['evil'] },
      owned('data'),
    ],
  ])('%s', (_title, given, expected) => {
    expect(meaning(given)).toEqual(expected);
  });
});

describe('a Kubernetes Service that stands for a service of the mesh', () => {
  const db = { owner: 'db' };
  test.each<[string, Given, Meaning]>([
    ['stays so when scaled to zero', db, owned('db')],
    ['stays so when none of its pods is ready', { ...db, running: ['db'] }, owned('db')],
    [
      'stays so beside a pod of another service that is not ready',
      { ...db, ready: ['db'], running: ['evil'] },
      owned('db'),
    ],
    ['stays so beside a ready pod of another service', { ...db, ready: ['db', 'evil'] }, owned('db')],
    [
      'stays so while its pods start again beside a ready pod of another service',
      { ...db, running: ['db'], ready: ['evil'] },
      owned('db'),
    ],
    [
      'stays so without pods beside one of another service that is not ready',
      { ...db, running: ['evil'] },
      owned('db'),
    ],
    [
      'goes to another that alone has ready pods once it has none itself',
      { ...db, ready: ['newdb'] },
      owned('newdb'),
    ],
    [
      'is nobody’s when several others have ready pods and it has none',
      { ...db, ready: ['a', 'b'] },
      ambiguous('a', 'b'),
    ],
    ['stays so whatever serves outside of the mesh', { ...db, foreign: true }, owned('db')],
  ])('%s', (_title, given, expected) => {
    expect(meaning(given)).toEqual(expected);
  });
});

describe('a Kubernetes Service that was ambiguous', () => {
  test.each<[string, Given, Meaning]>([
    ['stays ambiguous without pods', { claimants: ['a', 'b'] }, ambiguous('a', 'b')],
    ['is the remaining one’s when the others are gone', { claimants: ['a'] }, owned('a')],
    ['is that of the only ready service', { claimants: ['a', 'b'], ready: ['a'] }, owned('a')],
    [
      'is not outside for what serves outside of the mesh',
      { claimants: ['a', 'b'], running: ['a', 'b'], foreign: true },
      ambiguous('a', 'b'),
    ],
  ])('%s', (_title, given, expected) => {
    expect(meaning(given)).toEqual(expected);
  });
});

describe('whatever pods there are', () => {
  const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'data'), { maxLength: 4 });
  const given = fc.record({ running: names, ready: names, pinned: fc.boolean(), foreign: fc.boolean() });

  test('a Service that stands for a service that is still there never becomes the outside', () => {
    fc.assert(
      fc.property(given, fc.constantFrom('a', 'b', 'c', 'data'), (bends, owner) => {
        expect(meaning({ ...bends, owner }).kind).not.toBe('outside');
      }),
    );
  });

  test('one that was ambiguous between services that are still there never becomes the outside', () => {
    fc.assert(
      fc.property(
        given,
        names.filter((all) => all.length > 0),
        (bends, claimants) => {
          expect(meaning({ ...bends, claimants }).kind).not.toBe('outside');
        },
      ),
    );
  });

  test('a pod that is not ready changes nothing where any pod of the mesh is ready', () => {
    fc.assert(
      fc.property(
        given,
        names,
        fc.option(fc.constantFrom('a', 'b', 'data'), { nil: undefined }),
        (bends, more, owner) => {
          fc.pre(
            bends.ready.length > 0 &&
              (owner === undefined ||
                bends.ready.includes(owner) ||
                bends.running.includes(owner) ||
                !more.includes(owner)),
          );
          const before = { ...bends, ...(owner === undefined ? {} : { owner }) };
          const decided = meaning(before);
          const after = meaning({ ...before, running: [...bends.running, ...more] });
          if (decided.kind !== 'outside') expect(after).toEqual(decided);
          else expect(after.kind).toBe('outside');
        },
      ),
    );
  });
});
