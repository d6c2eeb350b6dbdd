import { FakeClock } from '#base/testing/clock.fake.ts';
import type { MutatingWebhook, ValidatingWebhook } from '#kube/types.ts';

import { FakeCache } from '../control-loop/cache.fake.ts';
import { mutatingWebhook, validatingWebhook } from '../controllers/webhook-registration/decide.ts';
import type { PathState } from '../controllers/webhook-registration/path-renewal.ts';
import { AcceptedPaths } from './accepted-paths.ts';
import { newPathPart, partOf, pathOf } from './path-part.ts';
import { PathMatch } from './path-match.ts';

const part = (letter: string): string => letter.charCodeAt(0).toString(16).repeat(32);
const situation = (paths: PathState) => ({
  ...{ meshNamespace: 'mesh', excludedNamespaces: [], matchConditions: true, roots: 'PEM', owner: undefined },
  paths,
});

let clock: FakeClock;
let mutating: FakeCache<MutatingWebhook>;
let validating: FakeCache<ValidatingWebhook>;
let accepted: AcceptedPaths;
beforeEach(() => {
  clock = new FakeClock();
  [mutating, validating] = [new FakeCache<MutatingWebhook>(), new FakeCache<ValidatingWebhook>()];
  accepted = new AcceptedPaths({ mutating, validating, clock });
});
afterEach(() => accepted.stop());

const register = (paths: PathState): void => mutating.put(mutatingWebhook(situation(paths)));
const paths = (): readonly string[] =>
  accepted.paths.map(({ path, endpoint }) => `${endpoint} ${path}`).sort();
const both = (letter: string): string[] => [
  `inject /${part(letter)}/inject`,
  `inject-by-namespace /${part(letter)}/inject/by-namespace`,
];

test('a replica that knows of no registration is not ready, and is as soon as it hears of it', () => {
  expect([accepted.fault(), paths()]).toEqual(['the webhooks are not registered yet', []]);
  register({ registered: part('a') });
  validating.put(validatingWebhook(situation({ registered: part('v') })));
  expect(accepted.fault()).toBeUndefined();
  expect(paths()).toEqual([...both('a'), `validate /${part('v')}/validate`]);
  expect([accepted.lastPart('mutating'), accepted.lastPart('validating')]).toEqual([part('a'), part('v')]);
});

test('an announced part is accepted at once, and the one before for a while after it is gone', async () => {
  register({ registered: part('a') });
  register({ registered: part('a'), also: part('b'), phase: 'Announced', since: 0 });
  expect(paths()).toEqual([...both('a'), ...both('b')].sort());
  register({ registered: part('b') });
  expect(paths()).toEqual([...both('a'), ...both('b')].sort());
  await clock.advance(119_000);
  expect(paths()).toEqual([...both('a'), ...both('b')].sort());
  await clock.advance(2_000);
  expect(paths()).toEqual(both('b'));
});

test('while a configuration is deleted its paths stay accepted, and its part is remembered', async () => {
  register({ registered: part('a') });
  mutating.remove('mesh');
  expect(paths()).toEqual(both('a'));
  await clock.advance(200_000);
  expect([accepted.lastPart('mutating'), accepted.fault()]).toEqual([part('a'), undefined]);
});

test('paths without a part, as earlier versions register them, are accepted as they are registered', () => {
  register({ registered: undefined, also: part('n'), phase: 'Announced', since: 0 });
  expect(paths()).toEqual(
    ['inject /inject', ...both('n'), 'inject-by-namespace /inject/by-namespace'].sort(),
  );
});

test('whoever listens is told of every change and of nothing else', () => {
  const heard: number[] = [];
  accepted.onChange((now) => heard.push(now.length));
  register({ registered: part('a') });
  register({ registered: part('a') });
  expect(heard).toEqual([0, 2]);
});

test('a part is 256 bits that no other has, and is found in its path', () => {
  const parts = new Set(Array.from({ length: 100 }, newPathPart));
  expect(parts.size).toBe(100);
  for (const one of parts) {
    expect(Buffer.from(one, 'hex')).toHaveLength(32);
    expect(partOf(pathOf(one, 'validate'))).toBe(one);
  }
  expect([partOf('/inject'), partOf(undefined), partOf('/short/inject')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('a path is matched whole, whatever its query, and nothing else is', () => {
  const match = new PathMatch();
  expect(match.endpoint('/inject')).toBeUndefined();
  match.use([{ path: `/${part('a')}/inject`, endpoint: 'inject' }]);
  expect(match.endpoint(`/${part('a')}/inject?timeout=5s`)).toBe('inject');
  for (const url of [
    '/inject',
    `/${part('a')}/inject/`,
    `/${part('a')}`,
    `/${part('A')}/inject`,
    '',
    '/'.repeat(100_000),
  ])
    expect(match.endpoint(url)).toBeUndefined();
});
