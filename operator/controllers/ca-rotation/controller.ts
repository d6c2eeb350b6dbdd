import { MESH_CONFIG_NAME } from '#core/constants.ts';
import { parseDuration } from '#core/duration.ts';
import { caSettings, sameAuthority } from '#core/model/ca-settings.ts';
import type { AuthorityChoice, CaSettings, RotationRequest } from '#core/model/ca-settings.ts';
import type {
  MeshConfig,
  MeshConfigStatus,
  RotationOutcome,
  RotationStatus,
} from '#core/model/mesh-config.ts';
import { MESH_DEFAULTS } from '#core/model/mesh-settings.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#kube/clock.ts';
import { isConflict } from '#kube/errors.ts';
import type { Logger } from '#kube/log.ts';
import { MESH_CONFIGS } from '#kube/types.ts';
import type { Requeue } from '#kube/work-queue.ts';

import { rootStatus } from '../../ca/authority.ts';
import type { Authority } from '../../ca/authority.ts';
import type { NextRoot, RootSuccession } from '../../ca/succession.ts';
import type { ObjectCache } from '../../cache.ts';
import type { ControllerDuty } from '../../controller.ts';
import type { Events } from '../../events.ts';
import { rfc3339, rfc3339Up } from '../../rfc3339.ts';
import type { StatusPatch } from '../../status-writer.ts';
import { SHORTEST_DRAIN_MS, drainedAt, fingerprint, leavesAfter, nextStep, publishedFor } from './plan.ts';
import type { RotationStep } from './plan.ts';
import { hindrance } from './survey.ts';
import type { Survey } from './survey.ts';

export interface CaRotationControllerParts {
  readonly api: KubeApi;
  readonly meshConfigs: ObjectCache<MeshConfig>;
  readonly authority: Pick<Authority, 'activeRoot' | 'choice' | 'onChange'>;
  readonly succession: RootSuccession;
  readonly survey: Pick<Survey, 'run'>;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
}

type Patch = StatusPatch<MeshConfigStatus>;

/** Waits longer than this are looked at again in between, so that a clock that was put right is noticed. */
const LONGEST_WAIT_MS = 3_600_000;
/** How soon to ask sidecars again that were not ready. */
const ASK_AGAIN_MS = 5_000;
/** How soon to look again where the authority has not yet done what is published. */
const NOT_FOLLOWED_MS = 200;

/**
 * Replaces the root without anybody noticing: when somebody asks, when another kind of key is wanted, when the root grows old.
 * What was done stands in the MeshConfig's status, written with its resourceVersion, so that of two operators only one goes on.
 */
export class CaRotationController implements ControllerDuty {
  readonly name = 'ca-rotation';
  readonly #parts: CaRotationControllerParts;
  #waitsFor: string | undefined;

  constructor(parts: CaRotationControllerParts) {
    this.#parts = parts;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const look = (): void => add(MESH_CONFIG_NAME);
    const { meshConfigs, authority } = this.#parts;
    return [meshConfigs.subscribe(look), authority.onChange(look)];
  }

  keys(): Iterable<string> {
    return [MESH_CONFIG_NAME];
  }

  async reconcile(_key: string, signal: AbortSignal): Promise<Requeue | void> {
    const { authority, meshConfigs, clock } = this.#parts;
    const config = meshConfigs.get(MESH_CONFIG_NAME);
    const published = config?.status?.roots?.find((root) => root.active);
    // Not published yet: that comes first, and brings us back.
    if (!config?.status || !published) return;
    const active = authority.activeRoot;
    if (active?.id !== published.id) return { requeueAfterMs: NOT_FOLLOWED_MS };
    const settings = caSettings(config.spec);
    const leaves = this.#leaves(config);
    const { status } = config;
    const current = status.authority ?? authority.choice;
    const planned = nextStep({ now: clock.now(), settings, status, active, authority: current });
    const step = await this.#asked(config, planned);
    if (step.do === 'wait') {
      if (leaves) await this.#write(config, { leaves });
      return waitUntil(step.until, clock.now());
    }
    const situation: Situation = { config, settings, current, leaves: leaves ?? status.leaves };
    const done = await this.#carryOut(step, situation, signal);
    const patch = { ...(leaves ? { leaves } : {}), ...done, ...held(step, settings) };
    if (await this.#write(config, patch)) this.#tell(config, patch);
  }

  async #carryOut(
    step: Exclude<RotationStep, { do: 'wait' | 'ask' }>,
    situation: Situation,
    signal: AbortSignal,
  ): Promise<Patch> {
    const { succession } = this.#parts;
    const { config, settings } = situation;
    switch (step.do) {
      case 'begin':
        return this.#begin(step, situation);
      case 'publish':
        return this.#published(situation, step.repair === true, signal);
      case 'switch':
        return this.#switched(situation, { to: config.status?.rotation?.to });
      case 'switch-back':
        return {
          ...this.#switched(situation, { to: config.status?.rotation?.from }),
          ...handled(step.request),
        };
      case 'retire':
        return this.#retired(situation);
      case 'abandon':
        await succession.discard(nextAuthority(situation));
        return {
          roots: rootsOf(config).filter(({ active }) => active),
          rotation: null,
          ...this.#outcome('Aborted', 'the new root was taken away; it had signed nothing', step.request),
        };
      case 'force':
        return this.#forced(situation, step.request);
      case 'rehearse':
        try {
          return this.#outcome('Rehearsed', await succession.rehearse(settings), step.request);
        } catch (error) {
          return this.#outcome('Refused', `a rotation would fail: ${(error as Error).message}`, step.request);
        }
      case 'refuse':
        return this.#outcome('Refused', step.why, step.request);
    }
  }

  /** Nobody is asked while there is nothing to gain: the next phase may begin only now. */
  async #asked(config: MeshConfig, step: RotationStep): Promise<Exclude<RotationStep, { do: 'ask' }>> {
    if (step.do !== 'ask') return step;
    const { then, until } = step;
    const { survey, clock, log } = this.#parts;
    const roots = rootsOf(config);
    const leaving = then === 'retire' ? roots.find(({ active }) => !active)?.id : undefined;
    const wanted = then === 'retire' ? roots.filter(({ active }) => active) : roots;
    const found = await survey.run();
    const waitsFor = hindrance(
      found,
      wanted.map(({ id }) => id),
      leaving,
    );
    if (waitsFor === undefined) return { do: then };
    if (waitsFor !== this.#waitsFor) log.info({ until: rfc3339(until) }, `the rotation waits: ${waitsFor}`);
    this.#waitsFor = waitsFor;
    return { do: 'wait', until: Math.min(until, clock.now() + ASK_AGAIN_MS) };
  }

  #begin(step: Extract<RotationStep, { do: 'begin' }>, { settings }: Situation): Patch {
    const { authority } = this.#parts;
    const rotation: RotationStatus = {
      phase: 'Preparing',
      reason: step.reason,
      ...(step.forced ? { forced: true } : {}),
      authority: settings.authority,
      from: authority.activeRoot?.id ?? '',
      message:
        settings.authority.provider === 'builtin'
          ? `a new ${settings.keyType} root is being made`
          : `${settings.authority.provider} is asked for its root`,
    };
    return { rotation, ...handled(step.request) };
  }

  async #published(situation: Situation, repair: boolean, signal: AbortSignal): Promise<Patch> {
    const { clock } = this.#parts;
    const { config, leaves } = situation;
    const begun = config.status!.rotation!;
    const found = await this.#prepared(situation, repair, signal);
    if (found.root.id === begun.from) return this.#sameRoot(situation);
    const { root, crossSignedPem } = found;
    if (begun.forced) return this.#only(root.id, [root], { ...begun, to: root.id });
    const roots = [...rootsOf(config).filter(({ id }) => id !== root.id), root];
    if (repair) return this.#repaired(situation, roots, { ...begun, to: root.id });
    const ttl = leafTtlMs(config);
    const isEndorsed = crossSignedPem !== '';
    const until = rfc3339Up(
      isEndorsed ? clock.now() + publishedFor(ttl) : drainedAt(clock.now(), ttl, leaves),
    );
    return {
      roots,
      rotation: {
        ...begun,
        to: root.id,
        ...(isEndorsed ? { crossSigned: crossSignedPem } : {}),
        phase: 'Published',
        until,
        ...(isEndorsed ? {} : { earliest: rfc3339Up(clock.now() + publishedFor(ttl)) }),
        message: isEndorsed
          ? `both roots are believed; the old one signs until ${until}`
          : `both roots are believed; the old one, which cannot sign the new one, signs until every sidecar has heard of that, ${until} at the latest`,
      },
    };
  }

  /** Both are published and the new one signs, in one step. */
  #repaired(situation: Situation, roots: readonly RootOf[], rotation: RotationStatus): Patch {
    const config = { ...situation.config, status: { ...situation.config.status, roots, rotation } };
    const done = this.#switched({ ...situation, config }, rotation);
    const message = 'the old root had ended; the new one signs from now on';
    return { ...done, rotation: { ...done.rotation!, message } };
  }

  async #prepared(
    { config, settings, current }: Situation,
    repair: boolean,
    signal: AbortSignal,
  ): Promise<NextRoot> {
    const { succession } = this.#parts;
    const rotation = config.status!.rotation!;
    try {
      const root = await succession.prepare(rotation.authority ?? current, {
        ...settings,
        repair,
      });
      const isNew = rootStatus(root.pem).id !== rotation.from;
      // Whoever must drop the old root at once has no use for its signature, and it may be away; one that has ended signs nothing.
      if (isNew && !rotation.forced && !repair) return await succession.endorse(root, signal);
      return { root: rootStatus(root.pem), crossSignedPem: '' };
    } catch (error) {
      const message = `the new root cannot be made: ${(error as Error).message}`;
      if (rotation.message !== message) await this.#write(config, { rotation: { ...rotation, message } });
      throw error;
    }
  }

  /** Only the way to the authority is another, or the intermediate under its root. */
  async #sameRoot(situation: Situation): Promise<Patch> {
    const { config, current } = situation;
    const rotation = config.status!.rotation!;
    const authority = nextAuthority(situation);
    const isAsked = rotation.reason === 'Requested' && sameAuthority(authority, current);
    if (rotation.forced || (isAsked && authority.provider !== 'builtin')) {
      const why = `${authority.provider} has no other root than the one that signs; make one there, or name another authority`;
      return { rotation: null, ...this.#ended('Refused', rotation, why) };
    }
    await this.#parts.succession.promote(rotation.from, authority);
    return {
      authority,
      rotation: null,
      ...this.#ended('Completed', rotation, 'the root stays; what signs under it was replaced'),
    };
  }

  #switched({ config, leaves }: Situation, { to = '' }: { readonly to?: string | undefined }): Patch {
    const now = this.#parts.clock.now();
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
        message: `${who} is believed until no sidecar leans on it, ${until} at the latest, when everything it signed has ended`,
      },
    };
  }

  async #retired(situation: Situation): Promise<Patch> {
    const { succession } = this.#parts;
    const { config } = situation;
    const rotation = config.status!.rotation!;
    const authority = nextAuthority(situation);
    const roots = rootsOf(config).filter(({ active }) => active);
    const isBack = roots[0]?.id === rotation.from;
    if (isBack) await succession.discard(authority);
    else await succession.promote(roots[0]!.id, authority);
    return {
      roots,
      rotation: null,
      ...(isBack
        ? this.#ended('Aborted', rotation, 'the old root signs again, and the new one was taken away')
        : {
            authority,
            ...this.#ended(
              'Completed',
              rotation,
              `root ${short(rotation.to)} has replaced ${short(rotation.from)}`,
            ),
          }),
    };
  }

  #ended(result: RotationOutcome['result'], rotation: RotationStatus, message: string): Patch {
    const mode = rotation.forced ? 'forced' : 'graceful';
    const at = rfc3339(this.#parts.clock.now());
    return { lastRotation: { result, mode: result === 'Aborted' ? 'abort' : mode, at, message } };
  }

  /** The old root may be in wrong hands: whatever it signed is believed no longer, from now on. */
  #forced({ config }: Situation, request: RotationRequest): Patch {
    const rotation = { ...config.status!.rotation!, forced: true };
    const handled = { handledRequest: request.id };
    const next = rootsOf(config).find(({ id }) => id === rotation.to);
    if (!next) return { rotation, ...handled };
    return { ...this.#only(next.id, [next], rotation), ...handled };
  }

  #only(id: string, roots: readonly RootOf[], rotation: RotationStatus): Patch {
    return {
      roots: roots.map((root) => ({ ...root, active: root.id === id })),
      rotation: {
        ...rotation,
        phase: 'Draining',
        until: rfc3339Up(this.#parts.clock.now()),
        earliest: rfc3339Up(this.#parts.clock.now()),
        message: 'the new root signs, and nothing else is believed',
      },
    };
  }

  #outcome(result: RotationOutcome['result'], message: string, request: RotationRequest | undefined): Patch {
    const at = rfc3339(this.#parts.clock.now());
    const lastRotation = { result, mode: request?.mode ?? 'abort', at, message };
    return { lastRotation, ...(request ? { handledRequest: request.id } : {}) };
  }

  #leaves(config: MeshConfig): MeshConfigStatus['leaves'] {
    const text = config.spec?.leafTTL ?? MESH_DEFAULTS.leafTTL;
    const before = config.status?.leaves;
    if (before?.ttl === text) return undefined;
    const beforeMs = before && parseDuration(before.ttl);
    return leavesAfter(this.#parts.clock.now(), before, { text, ms: leafTtlMs(config), beforeMs });
  }

  /** @returns false when somebody else wrote meanwhile, which brings us back */
  async #write(config: MeshConfig, status: Patch): Promise<boolean> {
    const { name, resourceVersion } = config.metadata;
    const authority = status.authority && overwriting(config.status?.authority, status.authority);
    const patch = {
      metadata: { resourceVersion },
      status: { ...status, ...(authority ? { authority } : {}) },
    };
    try {
      await this.#parts.api.mergePatch(MESH_CONFIGS, { name }, patch, { subresource: 'status' });
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      throw error;
    }
  }

  #tell(about: MeshConfig, { rotation, lastRotation }: Patch): void {
    const { events, log } = this.#parts;
    const said = lastRotation ?? rotation;
    if (!said) return;
    const reason = lastRotation ? `Rotation${lastRotation.result}` : `Rotation${rotation?.phase ?? ''}`;
    log.info({ reason, mode: lastRotation?.mode, cause: rotation?.reason }, said.message);
    events.emit({
      about: { ...about, apiVersion: 'mesh.dev/v1alpha1', kind: 'MeshConfig' },
      type: lastRotation?.result === 'Refused' ? 'Warning' : 'Normal',
      reason,
      message: said.message,
    });
  }
}

interface Situation {
  readonly config: MeshConfig;
  readonly settings: CaSettings;
  /** Whose root signs, or signed before this rotation. */
  readonly current: AuthorityChoice;
  readonly leaves: MeshConfigStatus['leaves'];
}

/** See {@link MeshConfigStatus.held}. */
function held(step: RotationStep, settings: CaSettings): Pick<Patch, 'held'> {
  if (step.do === 'begin') return { held: null };
  const mode = 'request' in step ? step.request?.mode : undefined;
  return mode === 'rehearse' || mode === 'abort' ? { held: fingerprint(settings) } : {};
}

function nextAuthority({ config, current }: Situation): AuthorityChoice {
  return config.status?.rotation?.authority ?? current;
}

type RootOf = NonNullable<MeshConfigStatus['roots']>[number];

function rootsOf(config: MeshConfig): readonly RootOf[] {
  return config.status?.roots ?? [];
}

function leafTtlMs({ spec }: MeshConfig): number {
  return parseDuration(spec?.leafTTL ?? MESH_DEFAULTS.leafTTL) ?? parseDuration(MESH_DEFAULTS.leafTTL)!;
}

/** A merge patch would keep settings of the old one. */
function overwriting(before: AuthorityChoice | undefined, after: AuthorityChoice): object {
  const gone = Object.keys(before?.config ?? {}).map((key) => [key, null]);
  const config = { ...(Object.fromEntries(gone) as Record<string, null>), ...after.config };
  return { ...after, config: after.config ? config : null };
}

function handled(request: RotationRequest | undefined): Patch {
  return request ? { handledRequest: request.id } : {};
}

function short(rootId = ''): string {
  return rootId.slice(0, 12);
}

function waitUntil(until: number | undefined, now: number): Requeue | void {
  if (until !== undefined) return { requeueAfterMs: Math.min(Math.max(until - now, 1), LONGEST_WAIT_MS) };
}
