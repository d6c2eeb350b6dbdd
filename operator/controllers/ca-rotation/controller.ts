import { MESH_CONFIG_NAME } from '#core/constants.ts';
import { caSettings, sameAuthority } from '#core/model/ca-settings.ts';
import type { MeshConfig } from '#core/model/mesh-config.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isConflict } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { rfc3339 } from '#base/times.ts';
import { MESH_CONFIGS } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import { rootStatus } from '../../ca/authority.ts';
import type { Authority } from '../../ca/authority.ts';
import type { NextRoot, RootSuccession } from '../../ca/succession.ts';
import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import type { Events } from '../../control-loop/events.ts';
import {
  abandoned,
  activeRoots,
  begun,
  ended,
  forced,
  handled,
  held,
  isBack,
  leavesNow,
  nextAuthority,
  only,
  outcome,
  overwriting,
  published,
  repaired,
  retired,
  rootsOf,
  switched,
} from './patches.ts';
import type { Patch, Situation } from './patches.ts';
import { nextStep } from './plan.ts';
import type { RotationStep } from './plan.ts';
import { hindrance } from './survey.ts';
import type { Survey } from './survey.ts';

export interface CaRotationControllerDeps {
  readonly api: KubeApi;
  readonly meshConfigs: ObjectCache<MeshConfig>;
  readonly authority: Pick<Authority, 'activeRoot' | 'choice' | 'onChange'>;
  readonly succession: RootSuccession;
  readonly survey: Pick<Survey, 'run'>;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
}

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
  readonly #deps: CaRotationControllerDeps;
  #waitsFor: string | undefined;

  constructor(deps: CaRotationControllerDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const look = (): void => add(MESH_CONFIG_NAME);
    const { meshConfigs, authority } = this.#deps;
    return [meshConfigs.subscribe(look), authority.onChange(look)];
  }

  keys(): Iterable<string> {
    return [MESH_CONFIG_NAME];
  }

  async reconcile(_key: string, signal: AbortSignal): Promise<Requeue | void> {
    const { authority, meshConfigs, clock } = this.#deps;
    const config = meshConfigs.get(MESH_CONFIG_NAME);
    const signing = config?.status?.roots?.find((root) => root.active);
    // Not published yet: that comes first, and brings us back.
    if (!config?.status || !signing) return;
    const active = authority.activeRoot;
    if (active?.id !== signing.id) return { requeueAfterMs: NOT_FOLLOWED_MS };
    const settings = caSettings(config.spec);
    const now = clock.now();
    const leaves = leavesNow(config, now);
    const { status } = config;
    const current = status.authority ?? authority.choice;
    const planned = nextStep({ now, settings, status, active, authority: current });
    const step = await this.#asked(config, planned);
    if (step.do === 'wait') {
      if (leaves) await this.#write(config, { leaves });
      return waitUntil(step.until, clock.now());
    }
    // Asking took time.
    const situation = { config, settings, current, leaves: leaves ?? status.leaves, now: clock.now() };
    const done = await this.#carryOut(step, situation, signal);
    const patch = { ...(leaves ? { leaves } : {}), ...done, ...held(step, settings) };
    if (await this.#write(config, patch)) this.#tell(config, patch);
  }

  async #carryOut(
    step: Exclude<RotationStep, { do: 'wait' | 'ask' }>,
    situation: Situation,
    signal: AbortSignal,
  ): Promise<Patch> {
    const { succession, authority } = this.#deps;
    const { config, settings, now } = situation;
    const { rotation } = config.status!;
    switch (step.do) {
      case 'begin':
        return begun(situation, step, authority.activeRoot?.id ?? '');
      case 'publish':
        return this.#publish(situation, step.repair === true, signal);
      case 'switch':
        return switched(situation, rotation?.to);
      case 'switch-back':
        return { ...switched(situation, rotation?.from), ...handled(step.request) };
      case 'retire':
        return this.#retire(situation);
      case 'abandon':
        await succession.discard(nextAuthority(situation));
        return abandoned(situation, step.request);
      case 'force':
        return { ...forced(situation), ...handled(step.request) };
      case 'rehearse':
        try {
          return outcome('Rehearsed', await succession.rehearse(settings), now, step.request);
        } catch (error) {
          return outcome('Refused', `a rotation would fail: ${(error as Error).message}`, now, step.request);
        }
      case 'refuse':
        return outcome('Refused', step.why, now, step.request);
    }
  }

  /** Nobody is asked while there is nothing to gain: the next phase may begin only now. */
  async #asked(config: MeshConfig, step: RotationStep): Promise<Exclude<RotationStep, { do: 'ask' }>> {
    if (step.do !== 'ask') return step;
    const { then, until } = step;
    const { survey, clock, log } = this.#deps;
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

  async #publish(situation: Situation, repair: boolean, signal: AbortSignal): Promise<Patch> {
    const { from, forced: isForced } = situation.config.status!.rotation!;
    const found = await this.#prepared(situation, repair, signal);
    if (found.root.id === from) return this.#keepRoot(situation);
    // Making it takes time, which is none for hearing of it.
    const then = { ...situation, now: this.#deps.clock.now() };
    if (isForced) return only(then, found.root);
    return repair ? repaired(then, found.root) : published(then, found);
  }

  async #prepared(
    { config, settings, current }: Situation,
    repair: boolean,
    signal: AbortSignal,
  ): Promise<NextRoot> {
    const { succession } = this.#deps;
    const rotation = config.status!.rotation!;
    try {
      const choice = rotation.authority ?? current;
      const root = await succession.prepare(choice, { ...settings, repair });
      const isNew = rootStatus(root.pem).id !== rotation.from;
      // Whoever must drop the old root at once has no use for its signature, and it may be away; one that has ended signs nothing.
      if (isNew && !rotation.forced && !repair) return await succession.endorse(root, choice, signal);
      return { root: rootStatus(root.pem), crossSignedPem: '', oldIsLost: true };
    } catch (error) {
      const message = `the new root cannot be made: ${(error as Error).message}`;
      if (rotation.message !== message) await this.#write(config, { rotation: { ...rotation, message } });
      throw error;
    }
  }

  /** Only the way to the authority is another, or the intermediate under its root. */
  async #keepRoot(situation: Situation): Promise<Patch> {
    const { config, current } = situation;
    const { reason, forced: isForced, from } = config.status!.rotation!;
    const authority = nextAuthority(situation);
    const isAsked = reason === 'Requested' && sameAuthority(authority, current);
    if (isForced || (isAsked && authority.provider !== 'builtin')) {
      const why = `${authority.provider} has no other root than the one that signs; make one there, or name another authority`;
      return { rotation: null, ...ended('Refused', situation, why) };
    }
    await this.#deps.succession.promote(from, authority);
    const message = 'the root stays; what signs under it was replaced';
    return { authority, rotation: null, ...ended('Completed', situation, message) };
  }

  async #retire(situation: Situation): Promise<Patch> {
    const { succession } = this.#deps;
    const { config } = situation;
    const authority = nextAuthority(situation);
    if (isBack(config)) await succession.discard(authority);
    else await succession.promote(activeRoots(config)[0]!.id, authority);
    return retired(situation);
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
      await this.#deps.api.mergePatch(MESH_CONFIGS, { name }, patch, { subresource: 'status' });
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      throw error;
    }
  }

  #tell(about: MeshConfig, { rotation, lastRotation }: Patch): void {
    const { events, log } = this.#deps;
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

function waitUntil(until: number | undefined, now: number): Requeue | void {
  if (until !== undefined) return { requeueAfterMs: Math.min(Math.max(until - now, 1), LONGEST_WAIT_MS) };
}
