import type { KubeObject } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import type { KubeApi, ResourceType } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isNotFound } from '#kube/errors.ts';

import { holds } from './matches.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';

/** Status fields to set; null takes a field away. */
export type StatusPatch<S> = { readonly [Key in keyof S]?: S[Key] | null };

export interface StatusWriterDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly metrics: Pick<OperatorMetrics, 'statusWrites'>;
}

/** Every status write is sent to every sidecar, so what changes with each pod waits for this long after the last write. */
const COARSE_INTERVAL_MS = 10_000;

interface Written<S> {
  /** The resourceVersion the write was based on: while the cache still shows it, the cache is behind us. */
  readonly basedOn: string | undefined;
  readonly status: S | undefined;
  readonly at: number;
}

/** Writes the status of one kind of object: only when something changes, and not too often. */
export class StatusWriter<Spec, Status extends object> {
  readonly #deps: StatusWriterDeps;
  readonly #type: ResourceType<KubeObject<Spec, Status>>;
  readonly #written = new Map<string, Written<Status>>();

  constructor(type: ResourceType<KubeObject<Spec, Status>>, deps: StatusWriterDeps) {
    this.#type = type;
    this.#deps = deps;
  }

  /** The status as last written or read, whichever is newer. */
  current(object: KubeObject<Spec, Status>): Status | undefined {
    const written = this.#written.get(objectKey(object));
    return written && written.basedOn === object.metadata.resourceVersion ? written.status : object.status;
  }

  /**
   * Makes the status hold `patch`.
   *
   * @param object as the cache has it
   * @param coarse fields that alone are not worth a write within ten seconds of the last one
   * @returns milliseconds after which to try again, when the write was put off
   */
  async write(
    object: KubeObject<Spec, Status>,
    patch: StatusPatch<Status>,
    coarse: (current: Status | undefined) => boolean = () => false,
  ): Promise<number | undefined> {
    const { api, clock, metrics } = this.#deps;
    const key = objectKey(object);
    const current = this.current(object);
    if (isSettled(current, patch)) return undefined;
    const before = this.#written.get(key);
    const waited = clock.now() - (before?.at ?? -Infinity);
    if (coarse(current) && waited < COARSE_INTERVAL_MS) return COARSE_INTERVAL_MS - waited;
    const { name, namespace } = object.metadata;
    try {
      const answer = await api.mergePatch(
        this.#type,
        { name, ...(namespace ? { namespace } : {}) },
        { status: patch },
        { subresource: 'status' },
      );
      this.#written.set(key, {
        basedOn: object.metadata.resourceVersion,
        status: answer.status,
        at: clock.now(),
      });
      metrics.statusWrites.inc({ kind: this.#type.kind });
    } catch (err) {
      if (!isNotFound(err)) throw err;
      this.forget(key);
    }
    return undefined;
  }

  /** To be called when the object is gone. */
  forget(key: string): void {
    this.#written.delete(key);
  }
}

/** Whether a merge patch would change nothing. */
function isSettled(current: object | undefined, patch: object): boolean {
  return Object.entries(patch).every(([key, value]) => {
    const now = (current as Record<string, unknown> | undefined)?.[key];
    return value === null
      ? now === undefined
      : holds(now, value) && (typeof value !== 'object' || holds(value, now));
  });
}
