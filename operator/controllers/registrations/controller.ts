import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { LEASES, PODS } from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import { isRegistration } from '../../resources/pod.ts';

export interface RegistrationsDeps {
  readonly api: Pick<KubeApi, 'get' | 'delete'>;
  /** Injected pods. */
  readonly pods: ObjectCache<Pod>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long a process may be silent. It renews every five seconds. */
const SILENCE_MS = 20_000;
const LOOK_EVERY_MS = 5_000;

/** What was heard of a process, and for how long it was seen to say nothing else; milliseconds of our own clock. */
interface Heard {
  readonly uid: string;
  readonly renewTime: string;
  readonly lookedAt: number;
  readonly silentMs: number;
}

/**
 * Deletes registrations of processes outside of pods that ended without a word: their Lease is not renewed any more. Their own times
 * are never compared with ours; silence is what we ourselves saw not change (as in client-go's leader election), and only while we look
 * and the API server answers: while that is away, or the machine sleeps with all of us on it, nobody can renew. Keys are pods.
 */
export class RegistrationsController implements ControllerDuty {
  readonly name = 'registrations';
  readonly #deps: RegistrationsDeps;
  readonly #heard = new Map<string, Heard>();

  constructor(deps: RegistrationsDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    return [
      this.#deps.pods.subscribe((changes) => {
        for (const { key, before, after } of changes) {
          // One that is gone is forgotten; one that is there already has its turn.
          if (after ? !before && isRegistration(after) : this.#heard.has(key)) add(key);
        }
      }),
    ];
  }

  *keys(): Iterable<string> {
    for (const pod of this.#deps.pods.all())
      if (isRegistration(pod)) yield `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`;
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Requeue | void> {
    const { pods } = this.#deps;
    const pod = pods.get(key);
    if (!pod || !isRegistration(pod)) {
      this.#heard.delete(key);
      return undefined;
    }
    const heard = await this.#listen(key, pod, signal);
    if (heard.silentMs >= SILENCE_MS) await this.#delete(key, pod, signal);
    return { requeueAfterMs: LOOK_EVERY_MS };
  }

  async #listen(key: string, pod: Pod, signal: AbortSignal): Promise<Heard> {
    const before = this.#heard.get(key);
    const uid = pod.metadata.uid ?? '';
    let renewTime: string;
    try {
      renewTime = await this.#renewTime(pod, signal);
    } catch (error) {
      this.#heard.delete(key);
      throw error;
    }
    const lookedAt = this.#deps.clock.now();
    const isSame = before?.uid === uid && before.renewTime === renewTime;
    const silentMs = isSame ? before.silentMs + Math.min(lookedAt - before.lookedAt, LOOK_EVERY_MS) : 0;
    const heard = { uid, renewTime, lookedAt, silentMs };
    this.#heard.set(key, heard);
    return heard;
  }

  /** @returns empty when there is no Lease: not yet, or not any more */
  async #renewTime({ metadata: { namespace = '', name } }: Pod, signal: AbortSignal): Promise<string> {
    try {
      const lease = await this.#deps.api.get(LEASES, { namespace, name }, { signal });
      return lease.spec?.renewTime ?? '';
    } catch (error) {
      if (isNotFound(error)) return '';
      throw error;
    }
  }

  async #delete(
    key: string,
    { metadata: { namespace = '', name } }: Pod,
    signal: AbortSignal,
  ): Promise<void> {
    const { api, log } = this.#deps;
    try {
      await api.delete(PODS, { namespace, name }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#heard.delete(key);
    log.info({ namespace, pod: name }, 'the process of this registration is silent; it is deleted');
  }
}
