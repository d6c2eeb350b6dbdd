import type { KubeObject, OwnerReference } from '#core/resource.ts';
import type { KubeApi, ResourceType } from '#kube/api.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#kube/log.ts';
import { MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS } from '#kube/types.ts';
import type { MutatingWebhook, ValidatingWebhook } from '#kube/types.ts';
import type { Requeue } from '#kube/work-queue.ts';

import type { Authority } from '../../ca/authority.ts';
import type { ObjectCache } from '../../cache.ts';
import type { ControllerDuty } from '../../controller.ts';
import { holds } from '../../matches.ts';
import { WEBHOOK_NAME, mutatingWebhook, validatingWebhook } from './decide.ts';

export interface WebhookRegistrationParts {
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
}

const MUTATING = 'mutating';
const VALIDATING = 'validating';

/** Registers injection and validation with the API server, and puts the registration right when somebody edits it. */
export class WebhookRegistrationController implements ControllerDuty {
  readonly name = 'webhook-registration';
  readonly #parts: WebhookRegistrationParts;

  constructor(parts: WebhookRegistrationParts) {
    this.#parts = parts;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const { mutating, validating, authority } = this.#parts;
    return [
      mutating.subscribe(() => add(MUTATING)),
      validating.subscribe(() => add(VALIDATING)),
      authority.onChange(() => {
        for (const key of this.keys()) add(key);
      }),
    ];
  }

  keys(): Iterable<string> {
    return [MUTATING, VALIDATING];
  }

  async reconcile(key: string): Promise<Requeue | void> {
    const situation = { ...this.#parts, roots: this.#parts.authority.bundlePem };
    if (key === MUTATING)
      await this.#keep(MUTATING_WEBHOOKS, this.#parts.mutating, mutatingWebhook(situation));
    else await this.#keep(VALIDATING_WEBHOOKS, this.#parts.validating, validatingWebhook(situation));
  }

  async #keep<T extends KubeObject>(type: ResourceType<T>, cache: ObjectCache<T>, wanted: T): Promise<void> {
    const { api, log } = this.#parts;
    const found = cache.get(WEBHOOK_NAME);
    if (found && holds(found, wanted)) return;
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
