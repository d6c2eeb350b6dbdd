import type { AuthorityChoice, CaSettings, RotationRequest } from '#core/model/ca-settings.ts';
import { parseDuration } from '#core/duration.ts';
import type {
  MeshConfig,
  MeshConfigStatus,
  RotationOutcome,
  RotationStatus,
} from '#core/model/mesh-config.ts';
import { MESH_DEFAULTS } from '#core/model/mesh-settings.ts';
import { rfc3339, rfc3339Up } from '#base/times.ts';

import type { NextRoot } from '../../ca/succession.ts';
import type { StatusPatch } from '../../control-loop/status-writer.ts';
import { SHORTEST_DRAIN_MS, drainedAt, fingerprint, leavesAfter, publishedFor } from './plan.ts';
import type { RotationStep } from './plan.ts';

/** What each step of a rotation writes into the MeshConfig's status. Pure. */

export type Patch = StatusPatch<MeshConfigStatus>;

export type RootOf = NonNullable<MeshConfigStatus['roots']>[number];

/** What a step starts from. */
export interface Situation {
  readonly config: MeshConfig;
  readonly settings: CaSettings;
  /** Whose root signs, or signed before this rotation. */
  readonly current: AuthorityChoice;
  /** The longest-lived certificates that may be about. */
  readonly leaves: MeshConfigStatus['leaves'];
  /** Unix time, milliseconds. */
  readonly now: number;
}

export function begun(
  { settings: { authority, keyType } }: Situation,
  { reason, forced, request }: Extract<RotationStep, { do: 'begin' }>,
  from: string,
): Patch {
  const rotation: RotationStatus = {
    phase: 'Preparing',
    reason,
    ...(forced ? { forced: true } : {}),
    authority,
    from,
    message:
      authority.provider === 'builtin'
        ? `a new ${keyType} root is being made`
        : `${authority.provider} is asked for its root`,
  };
  return { rotation, ...handled(request) };
}

/** Both roots are trusted, and the old one goes on to sign until everybody has heard of that. */
export function published(situation: Situation, { root, crossSignedPem, oldIsLost }: NextRoot): Patch {
  const { config, leaves, now } = situation;
  const ttl = leafTtlMs(config);
  const isEndorsed = crossSignedPem !== '';
  const soon = rfc3339Up(now + publishedFor(ttl));
  const isSoon = isEndorsed || oldIsLost;
  const until = isSoon ? soon : rfc3339Up(drainedAt(now, ttl, leaves));
  return {
    roots: withRoot(config, root),
    rotation: {
      ...config.status!.rotation!,
      to: root.id,
      ...(isEndorsed ? { crossSigned: crossSignedPem } : {}),
      phase: 'Published',
      until,
      ...(isSoon ? {} : { earliest: soon }),
      message: `both roots are trusted; ${publishedText(until, isEndorsed, oldIsLost)}`,
    },
  };
}

function publishedText(until: string, isEndorsed: boolean, oldIsLost: boolean): string {
  if (oldIsLost) return `the old one cannot be used, so the new one signs from ${until} on`;
  return isEndorsed
    ? `the old one signs until ${until}`
    : `the old one, which cannot sign the new one, signs until every sidecar has heard of that, ${until} at the latest`;
}

/** The old root had ended: both are published and the new one signs, in one step. */
export function repaired(situation: Situation, root: RootOf): Patch {
  const { config } = situation;
  const rotation = { ...config.status!.rotation!, to: root.id };
  const status = { ...config.status, roots: withRoot(config, root), rotation };
  const done = switched({ ...situation, config: { ...config, status } }, root.id);
  const message = 'the old root had ended; the new one signs from now on';
  return { ...done, rotation: { ...done.rotation!, message } };
}

/** @param to the root that signs from now on: the new one, or the old one again */
export function switched({ config, leaves, now }: Situation, to = ''): Patch {
  const until = rfc3339Up(drainedAt(now, leafTtlMs(config), leaves));
  const rotation = config.status!.rotation!;
  const who =
    to === rotation.to ? 'the new root signs; the old one' : 'the old root signs again; the new one';
  return {
    roots: rootsOf(config).map((root) => ({ ...root, active: root.id === to })),
    rotation: {
      ...rotation,
      phase: 'Draining',
      until,
      earliest: rfc3339Up(now + SHORTEST_DRAIN_MS),
      message: `${who} is trusted until no sidecar leans on it, ${until} at the latest, when everything it signed has ended`,
    },
  };
}

/** The old root may be in wrong hands: whatever it signed is trusted no longer, from now on. */
export function only({ config, now }: Situation, root: RootOf): Patch {
  return {
    roots: [{ ...root, active: true }],
    rotation: {
      ...config.status!.rotation!,
      to: root.id,
      forced: true,
      phase: 'Draining',
      until: rfc3339Up(now),
      earliest: rfc3339Up(now),
      message: 'the new root signs, and nothing else is trusted',
    },
  };
}

/** Goes on with what is under way, but drops the old root: at once, or as soon as there is another. */
export function forced(situation: Situation): Patch {
  const rotation = { ...situation.config.status!.rotation!, forced: true };
  const next = rootsOf(situation.config).find(({ id }) => id === rotation.to);
  return next ? only(situation, next) : { rotation };
}

export function retired(situation: Situation): Patch {
  const { config } = situation;
  const { to, from } = config.status!.rotation!;
  const done = { roots: activeRoots(config), rotation: null };
  if (isBack(config)) {
    const message = 'the old root signs again, and the new one was taken away';
    return { ...done, ...ended('Aborted', situation, message) };
  }
  const message = `root ${short(to)} has replaced ${short(from)}`;
  return { ...done, authority: nextAuthority(situation), ...ended('Completed', situation, message) };
}

export function abandoned(situation: Situation, request: RotationRequest | undefined): Patch {
  const message = 'the new root was taken away; it had signed nothing';
  const roots = activeRoots(situation.config);
  return { roots, rotation: null, ...outcome('Aborted', message, situation.now, request) };
}

/** How the rotation that is under way has ended. */
export function ended(
  result: RotationOutcome['result'],
  { config, now }: Situation,
  message: string,
): Pick<Patch, 'lastRotation'> {
  const mode = config.status!.rotation!.forced ? 'forced' : 'graceful';
  const at = rfc3339(now);
  return { lastRotation: { result, mode: result === 'Aborted' ? 'abort' : mode, at, message } };
}

/** What became of a request that began nothing. */
export function outcome(
  result: RotationOutcome['result'],
  message: string,
  now: number,
  request: RotationRequest | undefined,
): Patch {
  const lastRotation = { result, mode: request?.mode ?? 'abort', at: rfc3339(now), message };
  return { lastRotation, ...handled(request) };
}

export function handled(request: RotationRequest | undefined): Patch {
  return request ? { handledRequest: request.id } : {};
}

/** See {@link MeshConfigStatus.held}. */
export function held(step: RotationStep, settings: CaSettings): Pick<Patch, 'held'> {
  if (step.do === 'begin') return { held: null };
  const mode = 'request' in step ? step.request?.mode : undefined;
  return mode === 'rehearse' || mode === 'abort' ? { held: fingerprint(settings) } : {};
}

/** @returns undefined when what is remembered about the life of certificates is right */
export function leavesNow(config: MeshConfig, now: number): MeshConfigStatus['leaves'] {
  const text = config.spec?.leafTTL ?? MESH_DEFAULTS.leafTTL;
  const before = config.status?.leaves;
  if (before?.ttl === text) return undefined;
  const beforeMs = before && parseDuration(before.ttl);
  return leavesAfter(now, before, { text, ms: leafTtlMs(config), beforeMs });
}

/** A merge patch would keep settings of the authority before. */
export function overwriting(before: AuthorityChoice | undefined, after: AuthorityChoice): object {
  const gone = Object.keys(before?.config ?? {}).map((key) => [key, null]);
  const config = { ...(Object.fromEntries(gone) as Record<string, null>), ...after.config };
  return { ...after, config: after.config ? config : null };
}

/** Whose root comes next, while a rotation is under way. */
export function nextAuthority({ config, current }: Situation): AuthorityChoice {
  return config.status?.rotation?.authority ?? current;
}

export function rootsOf(config: MeshConfig): readonly RootOf[] {
  return config.status?.roots ?? [];
}

export function activeRoots(config: MeshConfig): readonly RootOf[] {
  return rootsOf(config).filter(({ active }) => active);
}

/** Whether the root that signs is the one that did before the rotation. */
export function isBack(config: MeshConfig): boolean {
  return activeRoots(config)[0]?.id === config.status?.rotation?.from;
}

function withRoot(config: MeshConfig, root: RootOf): readonly RootOf[] {
  return [...rootsOf(config).filter(({ id }) => id !== root.id), root];
}

function leafTtlMs({ spec }: MeshConfig): number {
  return parseDuration(spec?.leafTTL ?? MESH_DEFAULTS.leafTTL) ?? parseDuration(MESH_DEFAULTS.leafTTL)!;
}

function short(rootId = ''): string {
  return rootId.slice(0, 12);
}
