import { isPathPart } from '../../webhooks/path-part.ts';

/**
 * How the unguessable part of the webhooks' paths is replaced without a refused call: the new one is announced, so that every
 * replica accepts it; then it is registered, and the old one is still accepted; then the old one is forgotten. Every step stands
 * in the webhook configuration itself.
 */
export interface PathState {
  /** What is registered; undefined for a path without any part, as earlier versions registered it. */
  readonly registered: string | undefined;
  /** What is accepted besides: announced before it is registered, or registered before. */
  readonly also?: string;
  /** Which of the two `also` is, and since when (Unix time, milliseconds). */
  readonly phase?: 'Announced' | 'Replaced';
  readonly since?: number;
  /** The request that was carried out last, or is under way. */
  readonly request?: string;
}

/** How long a part is announced, and how long the old one is accepted, milliseconds: many times what a watch needs to bring it. */
export const PHASE_MS = 60_000;

export interface RenewalFacts {
  readonly now: number;
  /** What stands in the configuration; undefined where there is none. */
  readonly state: PathState | undefined;
  /** The part that was registered before the configuration was deleted, as far as this process knows. */
  readonly lastPart: string | undefined;
  /** A request for new paths: any text, each once. */
  readonly request: string | undefined;
  /** Makes a part. */
  readonly make: () => string;
}

/**
 * What the configuration says next. Pure.
 *
 * @returns with `until` when there is something to do later (Unix time, milliseconds)
 */
export function nextPathState(facts: RenewalFacts): NextPathState {
  const { state, request, lastPart, make } = facts;
  if (!state)
    return { state: { registered: lastPart ?? make(), ...(request === undefined ? {} : { request }) } };
  if (isPathPart(state.also) && state.phase !== undefined) return underWay(facts, state);
  const { registered } = state;
  const isAsked = request !== undefined && request !== state.request;
  return registered === undefined || isAsked ? announced(facts, registered) : { state };
}

export interface NextPathState {
  readonly state: PathState;
  readonly until?: number;
}

function announced(
  { now, request, lastPart, make }: RenewalFacts,
  registered: string | undefined,
): NextPathState {
  const also = registered === undefined ? (lastPart ?? make()) : make();
  const asked = request === undefined ? {} : { request };
  return { state: { registered, also, phase: 'Announced', since: now, ...asked }, until: now + PHASE_MS };
}

function underWay(facts: RenewalFacts, state: PathState): NextPathState {
  const { now } = facts;
  const { registered, also, phase, since = now } = state;
  if (now < since + PHASE_MS) return { state, until: since + PHASE_MS };
  const handled = state.request === undefined ? {} : { request: state.request };
  if (phase === 'Replaced') return nextPathState({ ...facts, state: { registered, ...handled } });
  const replaced = { registered: also, ...handled };
  if (registered === undefined) return nextPathState({ ...facts, state: replaced });
  return {
    state: { ...replaced, also: registered, phase: 'Replaced', since: now },
    until: now + PHASE_MS,
  };
}
