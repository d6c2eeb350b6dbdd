import type { KubeObject, OwnerReference } from '#core/resource.ts';
import type { MeshConfig } from '#core/model/mesh-config.ts';
import { MESH_CONFIG_NAME } from '#core/constants.ts';
import type { KubeApi, ResourceType } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS } from '#kube/types.ts';
import type { MutatingWebhook, ValidatingWebhook } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { Authority } from '../../ca/authority.ts';
import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import { holds } from '../../control-loop/matches.ts';
import { RENEW_PATHS_ANNOTATION, WEBHOOK_NAME } from '../../config/names.ts';
import type { AcceptedPaths } from '../../webhooks/accepted-paths.ts';
import { newPathPart } from '../../webhooks/path-part.ts';
import { PATH_ANNOTATIONS, mutatingWebhook, pathStateOf, validatingWebhook } from './decide.ts';
import { nextPathState } from './path-renewal.ts';
import type { PathState } from './path-renewal.ts';

export interface WebhookRegistrationDeps {
  readonly api: KubeApi;
  readonly mutating: ObjectCache<MutatingWebhook>;
  readonly validating: ObjectCache<ValidatingWebhook>;
  readonly log: Logger;
  readonly meshNamespace: string;
  readonly excludedNamespaces: readonly string[];
  readonly matchConditions: boolean;
  /** Whose roots vouch for the operator. */
  readonly authority: Pick<Authority, 'bundlePem' | 'onChange'>;
  readonly owner: OwnerReference | undefined;
  /** Whose annotation asks for new paths. */
  readonly meshConfigs: ObjectCache<MeshConfig>;
  /** Remembers the paths of a configuration that was deleted. */
  readonly acceptedPaths: Pick<AcceptedPaths, 'lastPart'>;
  readonly clock: Clock;
}

const MUTATING = 'mutating';
const VALIDATING = 'validating';
/** The longest request for new paths that is looked at. */
const MAX_REQUEST = 64;

/**
 * Registers injection and validation with the API server under paths that nobody can guess, puts the registration right when
 * somebody edits it, and renews the paths on request.
 */
export class WebhookRegistrationController implements ControllerDuty {
  readonly name = 'webhook-registration';
  readonly #deps: WebhookRegistrationDeps;

  constructor(deps: WebhookRegistrationDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const { mutating, validating, authority, meshConfigs } = this.#deps;
    const all = (): void => {
      for (const key of this.keys()) add(key);
    };
    return [
      mutating.subscribe(() => add(MUTATING)),
      validating.subscribe(() => add(VALIDATING)),
      meshConfigs.subscribe(all),
      authority.onChange(all),
    ];
  }

  keys(): Iterable<string> {
    return [MUTATING, VALIDATING];
  }

  async reconcile(key: string): Promise<Requeue | void> {
    const { mutating, validating, authority, clock } = this.#deps;
    const kind = key === MUTATING ? MUTATING : VALIDATING;
    const found = kind === MUTATING ? mutating.get(WEBHOOK_NAME) : validating.get(WEBHOOK_NAME);
    const { state: paths, until } = this.#paths(kind, pathStateOf(found));
    const situation = { ...this.#deps, roots: authority.bundlePem, paths };
    if (kind === MUTATING) await this.#keep(MUTATING_WEBHOOKS, mutating, mutatingWebhook(situation));
    else await this.#keep(VALIDATING_WEBHOOKS, validating, validatingWebhook(situation));
    if (until !== undefined) return { requeueAfterMs: Math.max(1, until - clock.now()) };
  }

  #paths(kind: typeof MUTATING | typeof VALIDATING, state: PathState | undefined) {
    const { meshConfigs, acceptedPaths, clock } = this.#deps;
    const annotations = meshConfigs.get(MESH_CONFIG_NAME)?.metadata.annotations;
    return nextPathState({
      now: clock.now(),
      state,
      lastPart: acceptedPaths.lastPart(kind),
      request: annotations?.[RENEW_PATHS_ANNOTATION]?.slice(0, MAX_REQUEST),
      make: newPathPart,
    });
  }

  async #keep<T extends KubeObject>(type: ResourceType<T>, cache: ObjectCache<T>, wanted: T): Promise<void> {
    const { api, log } = this.#deps;
    const found = cache.get(WEBHOOK_NAME);
    if (found && holds(found, wanted) && samePaths(found, wanted)) return;
    try {
      if (!found) {
        await api.create(type, wanted);
        log.info({ kind: type.kind }, 'registered with the API server');
        return;
      }
      const { resourceVersion } = found.metadata;
      await api.update(type, {
        ...wanted,
        metadata: { ...wanted.metadata, ...(resourceVersion ? { resourceVersion } : {}) },
      });
      log.info({ kind: type.kind }, 'put the registration with the API server right');
    } catch (error) {
      // Our cache is behind: the change it lacks brings us back here.
      if (!isAlreadyExists(error) && !isConflict(error) && !isNotFound(error)) throw error;
    }
  }
}

/** Also that none is there that is not wanted. */
function samePaths(found: KubeObject, wanted: KubeObject): boolean {
  return PATH_ANNOTATIONS.every(
    (name) => found.metadata.annotations?.[name] === wanted.metadata.annotations?.[name],
  );
}
