import { PHASE_MS, nextPathState } from './path-renewal.ts';
import type { PathState, RenewalFacts } from './path-renewal.ts';

const part = (letter: string): string => letter.charCodeAt(0).toString(16).repeat(32);
const NOW = 1_000_000;
const next = (state: PathState | undefined, more: Partial<RenewalFacts> = {}) =>
  nextPathState({ now: NOW, state, lastPart: undefined, request: undefined, make: () => part('n'), ...more });

test('where nothing is registered, a new part is registered at once', () => {
  expect(next(undefined)).toEqual({ state: { registered: part('n') } });
});

test('where the registration was deleted, the part that every replica knows is registered again', () => {
  expect(next(undefined, { lastPart: part('l') })).toEqual({ state: { registered: part('l') } });
});

test('a registration without requests stays as it is', () => {
  const state = { registered: part('a') };
  expect(next(state)).toEqual({ state });
  expect(next({ ...state, request: 'one' }, { request: 'one' })).toEqual({
    state: { ...state, request: 'one' },
  });
});

test('a request announces a part, later registers it beside the old one, and later forgets that; each once', () => {
  const announced = next({ registered: part('a') }, { request: 'one' });
  expect(announced).toEqual({
    state: { registered: part('a'), also: part('n'), phase: 'Announced', since: NOW, request: 'one' },
    until: NOW + PHASE_MS,
  });
  expect(next(announced.state, { request: 'one', now: NOW + PHASE_MS - 1 })).toEqual(announced);
  const later = NOW + PHASE_MS;
  const replaced = next(announced.state, { request: 'one', now: later });
  expect(replaced).toEqual({
    state: { registered: part('n'), also: part('a'), phase: 'Replaced', since: later, request: 'one' },
    until: later + PHASE_MS,
  });
  const over = next(replaced.state, { request: 'one', now: later + PHASE_MS });
  expect(over).toEqual({ state: { registered: part('n'), request: 'one' } });
});

test('a second request while one is under way comes after it', () => {
  const state = next({ registered: part('a') }, { request: 'one' }).state;
  const replaced = next(state, { request: 'two', now: NOW + PHASE_MS }).state;
  expect(replaced).toMatchObject({ phase: 'Replaced', request: 'one' });
  expect(next(replaced, { request: 'two', now: NOW + 2 * PHASE_MS }).state).toMatchObject({
    phase: 'Announced',
    request: 'two',
  });
});

test('paths of an earlier version, without a part, are replaced in the same way', () => {
  const announced = next({ registered: undefined });
  expect(announced.state).toEqual({ registered: undefined, also: part('n'), phase: 'Announced', since: NOW });
  expect(next(announced.state, { now: NOW + PHASE_MS })).toEqual({ state: { registered: part('n') } });
});

test('an announced part that is none is replaced by one', () => {
  const state: PathState = { registered: undefined, also: '../x', phase: 'Announced', since: 0 };
  expect(next(state).state).toMatchObject({ also: part('n'), since: NOW });
});
