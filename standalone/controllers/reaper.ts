import type { Clock, Timer } from '#kube/clock.ts';
import type { Logger } from '#kube/log.ts';

import type { Writer } from '../api/change/writer.ts';
import type { Kinds } from '../api/kinds.ts';
import { LEASE_SECONDS, RUN_LABEL } from '../names.ts';
import { isJson } from '../store/object.ts';
import type { ApiObject } from '../store/object.ts';
import type { ObjectStore } from '../store/object-store.ts';

export interface ReaperDeps {
  readonly store: ObjectStore;
  readonly kinds: Kinds;
  readonly writer: Pick<Writer, 'delete'>;
  readonly clock: Clock;
  readonly log: Logger;
}

const LOOK_EVERY_MS = 5_000;

/** Deletes registrations of processes that ended without a word: their Lease was not renewed in time. */
export class Reaper {
  readonly #deps: ReaperDeps;
  readonly #startedAt: number;
  #timer: Timer | undefined;

  constructor(deps: ReaperDeps) {
    this.#deps = deps;
    this.#startedAt = deps.clock.now();
    this.#again();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #again(): void {
    this.#timer = this.#deps.clock.setTimeout(() => {
      this.#look();
      this.#again();
    }, LOOK_EVERY_MS);
  }

  #look(): void {
    const { store, kinds, writer, log } = this.#deps;
    const kind = kinds.byResource('/pods');
    for (const pod of store.list('/pods')) {
      if (!kind || pod.metadata.labels?.[RUN_LABEL] === undefined || !this.#isSilent(pod)) continue;
      const { namespace, name } = pod.metadata;
      log.info({ namespace, pod: name }, 'the process of this registration is silent; it is deleted');
      writer.delete({ kind, namespace, name }, { dryRun: false });
    }
  }

  /** Nobody could renew while this server was away, so silence counts from its start at the earliest. */
  #isSilent({ metadata: { namespace = '', name, creationTimestamp = '' } }: ApiObject): boolean {
    const spec = this.#deps.store.get('coordination.k8s.io/leases', `${namespace}/${name}`)?.spec;
    const renewed = isJson(spec) && typeof spec.renewTime === 'string' ? spec.renewTime : creationTimestamp;
    const heard = Math.max(Date.parse(renewed) || 0, this.#startedAt);
    return this.#deps.clock.now() - heard > LEASE_SECONDS * 1_000;
  }
}
