import { MESH_CONFIG_NAME } from '#core/constants.ts';
import { parseDuration } from '#core/duration.ts';
import { caSettings } from '#core/model/ca-settings.ts';
import type { CaSettings, RotationRequest } from '#core/model/ca-settings.ts';
import type { MeshConfig, MeshConfigStatus, RotationStatus } from '#core/model/mesh-config.ts';
import { MESH_DEFAULTS } from '#core/model/mesh-settings.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#kube/clock.ts';
import { isConflict } from '#kube/errors.ts';
import type { Logger } from '#kube/log.ts';
import { MESH_CONFIGS } from '#kube/types.ts';
import type { Requeue } from '#kube/work-queue.ts';

import type { Authority } from '../../ca/authority.ts';
import type { NextRoot, RootSuccession } from '../../ca/succession.ts';
import type { ObjectCache } from '../../cache.ts';
import type { ControllerDuty } from '../../controller.ts';
import type { Events } from '../../events.ts';
import { rfc3339, rfc3339Up } from '../../rfc3339.ts';
import type { StatusPatch } from '../../status-writer.ts';
import { drainedAt, leavesAfter, nextStep, publishedFor } from './plan.ts';
import type { RotationStep } from './plan.ts';

export interface CaRotationControllerParts {
  readonly api: KubeApi;
  readonly meshConfigs: ObjectCache<MeshConfig>;
  readonly authority: Pick<Authority, 'activeRoot' | 'onChange'>;
  readonly succession: RootSuccession;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
}

type Patch = StatusPatch<MeshConfigStatus>;

/** Waits longer than this are looked at again in between, so that a clock that was put right is noticed. */
const LONGEST_WAIT_MS = 3_600_000;
/** How soon to look again where the authority has not yet done what is published. */
const NOT_FOLLOWED_MS = 200;

/**
 * Replaces the root without anybody noticing: when somebody asks, when another kind of key is wanted, when the root grows old.
 * What was done stands in the MeshConfig's status, written with its resourceVersion, so that of two operators only one goes on.
 */
export class CaRotationController implements ControllerDuty {
  readonly name = 'ca-rotation';
  readonly #parts: CaRotationControllerParts;

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
    const step = nextStep({ now: clock.now(), settings, status: config.status, active });
    if (step.do === 'wait') {
      if (leaves) await this.#write(config, { leaves });
      return waitUntil(step.until, clock.now());
    }
    const situation: Situation = { config, settings, leaves: leaves ?? config.status.leaves };
    const done = await this.#carryOut(step, situation, signal);
    const patch = { ...(leaves ? { leaves } : {}), ...done };
    if (await this.#write(config, patch)) this.#tell(config, patch);
  }

  async #carryOut(
    step: Exclude<RotationStep, { do: 'wait' }>,
    situation: Situation,
    signal: AbortSignal,
  ): Promise<Patch> {
    const { succession } = this.#parts;
    const { config, settings } = situation;
    switch (step.do) {
      case 'begin':
        return this.#begin(step, situation);
      case 'publish':
        return this.#published(situation, signal);
      case 'switch':
        return this.#switched(situation, { to: config.status?.rotation?.to });
      case 'switch-back':
        return {
          ...this.#switched(situation, { to: config.status?.rotation?.from }),
          handledRequest: step.request.id,
        };
      case 'retire':
        return this.#retired(situation);
      case 'abandon':
        await succession.discard();
        return {
          roots: rootsOf(config).filter(({ active }) => active),
          rotation: null,
          ...this.#outcome('Aborted', 'the new root was taken away; it had signed nothing', step.request),
        };
      case 'force':
        return this.#forced(situation, step.request);
      case 'rehearse':
        try {
          await succession.rehearse(settings);
        } catch (error) {
          return this.#outcome('Refused', `a rotation would fail: ${(error as Error).message}`, step.request);
        }
        return this.#outcome(
          'Rehearsed',
          `a new ${settings.keyType} root was made in memory and cross-signed, and a certificate of it is believed by the old bundle and by the new one; nothing was changed`,
          step.request,
        );
      case 'refuse':
        return this.#outcome('Refused', step.why, step.request);
    }
  }

  #begin(step: Extract<RotationStep, { do: 'begin' }>, { settings }: Situation): Patch {
    const { authority } = this.#parts;
    const rotation: RotationStatus = {
      phase: 'Preparing',
      reason: step.reason,
      ...(step.forced ? { forced: true } : {}),
      from: authority.activeRoot?.id ?? '',
      message: `a new ${settings.keyType} root is being made`,
    };
    return { rotation, ...(step.request ? { handledRequest: step.request.id } : {}) };
  }

  async #published({ config, settings }: Situation, signal: AbortSignal): Promise<Patch> {
    const { clock } = this.#parts;
    const { root, crossSignedPem } = await this.#prepared(config, settings, signal);
    const begun = { ...config.status!.rotation!, to: root.id };
    if (begun.forced) return this.#only(root.id, [root], begun);
    const rotation = { ...begun, crossSigned: crossSignedPem };
    const until = rfc3339Up(clock.now() + publishedFor(leafTtlMs(config)));
    return {
      roots: [...rootsOf(config).filter(({ id }) => id !== root.id), root],
      rotation: {
        ...rotation,
        phase: 'Published',
        until,
        message: `both roots are believed; the old one signs until ${until}`,
      },
    };
  }

  async #prepared(config: MeshConfig, settings: CaSettings, signal: AbortSignal): Promise<NextRoot> {
    try {
      return await this.#parts.succession.prepare(settings, signal);
    } catch (error) {
      const message = `the new root cannot be made: ${(error as Error).message}`;
      const rotation = config.status!.rotation!;
      if (rotation.message !== message) await this.#write(config, { rotation: { ...rotation, message } });
      throw error;
    }
  }

  #switched({ config, leaves }: Situation, { to = '' }: { readonly to: string | undefined }): Patch {
    const until = rfc3339Up(drainedAt(this.#parts.clock.now(), leafTtlMs(config), leaves));
    const rotation = config.status!.rotation!;
    const who =
      to === rotation.to ? 'the new root signs; the old one' : 'the old root signs again; the new one';
    return {
      roots: rootsOf(config).map((root) => ({ ...root, active: root.id === to })),
      rotation: {
        ...rotation,
        phase: 'Draining',
        until,
        message: `${who} is believed until ${until}, when everything it signed has ended`,
      },
    };
  }

  async #retired({ config }: Situation): Promise<Patch> {
    const { succession } = this.#parts;
    const rotation = config.status!.rotation!;
    const roots = rootsOf(config).filter(({ active }) => active);
    const isBack = roots[0]?.id === rotation.from;
    if (isBack) await succession.discard();
    else await succession.promote(roots[0]!.id);
    const mode = rotation.forced ? 'forced' : 'graceful';
    return {
      roots,
      rotation: null,
      lastRotation: {
        result: isBack ? 'Aborted' : 'Completed',
        mode: isBack ? 'abort' : mode,
        at: rfc3339(this.#parts.clock.now()),
        message: isBack
          ? 'the old root signs again, and the new one was taken away'
          : `root ${short(rotation.to)} has replaced ${short(rotation.from)}`,
      },
    };
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
        message: 'the new root signs, and nothing else is believed',
      },
    };
  }

  #outcome(
    result: NonNullable<MeshConfigStatus['lastRotation']>['result'],
    message: string,
    request: RotationRequest,
  ): Patch {
    const at = rfc3339(this.#parts.clock.now());
    return { lastRotation: { result, mode: request.mode, at, message }, handledRequest: request.id };
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
    const patch = { metadata: { resourceVersion }, status };
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
  readonly leaves: MeshConfigStatus['leaves'];
}

type RootOf = NonNullable<MeshConfigStatus['roots']>[number];

function rootsOf(config: MeshConfig): readonly RootOf[] {
  return config.status?.roots ?? [];
}

function leafTtlMs({ spec }: MeshConfig): number {
  return parseDuration(spec?.leafTTL ?? MESH_DEFAULTS.leafTTL) ?? parseDuration(MESH_DEFAULTS.leafTTL)!;
}

function short(rootId = ''): string {
  return rootId.slice(0, 12);
}

function waitUntil(until: number | undefined, now: number): Requeue | void {
  if (until !== undefined) return { requeueAfterMs: Math.min(Math.max(until - now, 1), LONGEST_WAIT_MS) };
}
