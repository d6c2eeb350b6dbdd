import { createHash } from 'node:crypto';

import { authorityKey, sameAuthority } from '#core/model/ca-settings.ts';
import type { AuthorityChoice, CaSettings, RotationRequest } from '#core/model/ca-settings.ts';
import type { MeshConfigStatus, RotationReason } from '#core/model/mesh-config.ts';
import { rfc3339Up } from '#base/times.ts';

import type { ActiveRoot } from '../../ca/authority.ts';

/**
 * What is to be done about the root next. Pure: everything that is known goes in, one step comes out, and what a step has
 * changed stands in the MeshConfig's status before the next is asked for. So whoever asks after a crash goes on where it stopped.
 */

export interface RotationFacts {
  /** Unix time, milliseconds. */
  readonly now: number;
  readonly settings: CaSettings;
  readonly status: Pick<MeshConfigStatus, 'roots' | 'rotation' | 'handledRequest' | 'held'>;
  readonly active: ActiveRoot;
  /** Whose root signs, or signed before the rotation that is under way. */
  readonly authority: AuthorityChoice;
}

export type RotationStep =
  /** Nothing, until the moment given (Unix time, milliseconds), if one is. */
  | { readonly do: 'wait'; readonly until?: number }
  /** Ask every sidecar whether it is ready for the next phase; if so, that one begins, else wait and ask again. */
  | { readonly do: 'ask'; readonly then: 'switch' | 'retire'; readonly until: number }
  | {
      readonly do: 'begin';
      readonly reason: RotationReason;
      readonly forced: boolean;
      readonly request?: RotationRequest;
    }
  /**
   * Make the new root and have it trusted; a forced one is the only one from then on. `repair`: the old one has ended, so the new
   * one signs at once.
   */
  | { readonly do: 'publish'; readonly repair?: true }
  /** Let the new root sign. */
  | { readonly do: 'switch' }
  /** Take away the root that signs no longer. */
  | { readonly do: 'retire' }
  /** The new root has signed nothing yet: as if there had been none. */
  | { readonly do: 'abandon'; readonly request?: RotationRequest }
  /** Let the old root sign again. */
  | { readonly do: 'switch-back'; readonly request?: RotationRequest }
  /** Go on with what is under way, but drop the old root at once. */
  | { readonly do: 'force'; readonly request: RotationRequest }
  | { readonly do: 'rehearse'; readonly request: RotationRequest }
  | { readonly do: 'refuse'; readonly request: RotationRequest; readonly why: string };

/** The part of its life after which a root is replaced. */
const ROTATION_DUE_AGE = 0.7;
/** The same where somebody has given a rotation up, and has not asked for one since. */
const ROTATION_OVERDUE_AGE = 0.85;

export function nextStep(facts: RotationFacts): RotationStep {
  const { settings, status } = facts;
  const { request } = settings;
  const asked = request && request.id !== status.handledRequest ? request : undefined;
  const step = facts.active.notAfter <= facts.now ? repair(facts, asked) : undefined;
  return step ?? (status.rotation ? underWay(facts, asked) : atRest(facts, asked));
}

/**
 * The root that signs has ended: with it every leaf that it signed, and the operator's own certificate. Nobody is waited for, and
 * nothing that still lives is dropped: another root that has not ended stays trusted until what it signed has ended.
 *
 * @returns undefined where nothing can be done here: the root is looked after elsewhere
 */
function repair(facts: RotationFacts, asked: RotationRequest | undefined): RotationStep | undefined {
  const { now, status, active, settings, authority } = facts;
  const { rotation, roots = [] } = status;
  const forced = asked?.mode === 'forced';
  if (!rotation) {
    if (!active.replaceable && sameAuthority(settings.authority, authority)) return undefined;
    const request = forced || asked?.mode === 'graceful' ? { request: asked } : {};
    return { do: 'begin', reason: 'Ended', forced, ...request };
  }
  if (forced) return { do: 'force', request: asked };
  if (rotation.phase === 'Preparing') return { do: 'publish', repair: true };
  const another = roots.some(({ id, notAfter }) => id !== active.id && Date.parse(notAfter) > now);
  if (rotation.phase === 'Published') return another ? { do: 'switch' } : { do: 'abandon' };
  return another && active.id === rotation.to ? { do: 'switch-back' } : { do: 'retire' };
}

function atRest(facts: RotationFacts, asked: RotationRequest | undefined): RotationStep {
  const { now, settings, status, active } = facts;
  if (asked?.mode === 'rehearse') return { do: 'rehearse', request: asked };
  if (asked?.mode === 'abort') return { do: 'refuse', request: asked, why: 'no rotation is under way' };
  if (asked) return { do: 'begin', reason: 'Requested', forced: asked.mode === 'forced', request: asked };
  // Who rehearses wants to see first, and who gave up does not want it begun again at once.
  const isHeld = status.held === fingerprint(settings);
  const reason = isHeld ? undefined : changed(facts);
  if (reason) return { do: 'begin', reason, forced: false };
  if (!active.replaceable) return { do: 'wait' };
  const part = isHeld ? ROTATION_OVERDUE_AGE : ROTATION_DUE_AGE;
  const aged = active.notBefore + (active.notAfter - active.notBefore) * part;
  return now >= aged ? { do: 'begin', reason: 'Age', forced: false } : { do: 'wait', until: aged };
}

/** The same for the same wishes. */
export function fingerprint({ authority, keyType }: CaSettings): string {
  return createHash('sha256')
    .update(`${authorityKey(authority)} ${keyType}`)
    .digest('hex')
    .slice(0, 16);
}

/** What the settings want otherwise than it is. */
function changed({ settings, active, authority }: RotationFacts): 'Provider' | 'KeyType' | undefined {
  if (!sameAuthority(settings.authority, authority)) return 'Provider';
  return active.replaceable && settings.keyType !== active.keyType ? 'KeyType' : undefined;
}

function underWay(facts: RotationFacts, asked: RotationRequest | undefined): RotationStep {
  const { now, settings, status, active } = facts;
  if (asked) return answered(facts, asked);
  const { phase, until, earliest, reason, authority } = status.rotation!;
  const otherwise =
    reason === 'Provider' && authority !== undefined && !sameAuthority(authority, settings.authority);
  if (otherwise && phase !== 'Draining') return { do: 'abandon' };
  if (phase === 'Preparing') return { do: 'publish' };
  const next = phase === 'Published' ? 'switch' : 'retire';
  const latest = until === undefined ? now : Date.parse(until);
  if (now >= latest) return { do: next };
  const at = earliest === undefined ? latest : Date.parse(earliest);
  if (now < at) return { do: 'wait', until: Math.min(at, active.notAfter) };
  return { do: 'ask', then: next, until: latest };
}

/** What becomes of a request that comes while a rotation is under way. */
function answered({ status, active }: RotationFacts, request: RotationRequest): RotationStep {
  const { phase, to } = status.rotation!;
  if (request.mode === 'forced') return { do: 'force', request };
  if (request.mode !== 'abort') return { do: 'refuse', request, why: 'a rotation is under way' };
  if (phase !== 'Draining') return { do: 'abandon', request };
  const why = noWayBack(status.roots?.length ?? 0, active.id === to);
  return why ? { do: 'refuse', request, why } : { do: 'switch-back', request };
}

function noWayBack(roots: number, newOneSigns: boolean): string | undefined {
  if (!newOneSigns) return 'the old root signs again already';
  return roots > 1 ? undefined : 'the old root is gone';
}

/** How long both roots are published before the new one signs: a sidecar that hears of it later has the cross-signature. */
export function publishedFor(leafTtlMs: number): number {
  return Math.min(60_000, Math.max(2_000, leafTtlMs * 0.05));
}

/** Both roots are trusted this long after the other one began to sign, whatever sidecars say: for replicas that heard late of it. */
export const SHORTEST_DRAIN_MS = 15_000;

/** What a drain adds to the longest life of a leaf: for clocks that are apart, and replicas that heard late of the switch. */
const DRAIN_MARGIN_MS = 15_000;

/**
 * When nothing lives any more that another root than the one that signs now has signed.
 *
 * @param leaves as in the MeshConfig's status
 * @returns Unix time, milliseconds
 */
export function drainedAt(now: number, leafTtlMs: number, leaves: MeshConfigStatus['leaves']): number {
  return Math.max(now + leafTtlMs, leaves ? Date.parse(leaves.until) : 0) + DRAIN_MARGIN_MS;
}

/** Keeps in mind how long leaves may live that were signed while leafTTL was longer. */
export function leavesAfter(
  now: number,
  leaves: MeshConfigStatus['leaves'],
  ttl: { readonly text: string; readonly ms: number; readonly beforeMs: number | undefined },
): NonNullable<MeshConfigStatus['leaves']> {
  const until = leaves ? Date.parse(leaves.until) : now;
  const longer = ttl.beforeMs !== undefined && ttl.beforeMs > ttl.ms ? now + ttl.beforeMs : 0;
  return { ttl: ttl.text, until: rfc3339Up(Math.max(until, longer)) };
}
