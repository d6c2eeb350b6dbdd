import { createHash } from 'node:crypto';

import type { KubeObject } from '#core/resource.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isAlreadyExists, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { rfc3339 } from '#base/times.ts';
import { EVENTS } from '#kube/types.ts';
import type { Event } from '#kube/types.ts';

import type { OperatorMetrics } from '../metrics/metrics.ts';
import { isBecauseTerminating } from '../resources/namespace.ts';
import { TokenBuckets } from '#base/token-buckets.ts';

/** Something to tell the people who look at an object with `kubectl describe`. */
export interface Occurrence {
  readonly about: KubeObject;
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, stable. */
  readonly reason: string;
  /** A sentence. Never a secret. */
  readonly message: string;
}

/** Who tells; fakes collect. */
export interface Events {
  /** Tells once; never throws, never waits. */
  emit(occurrence: Occurrence): void;
}

export interface EventRecorderDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'events'>;
  /** This replica's name. */
  readonly podName: string;
}

/** The same occurrence again within this time adds to the first one's count. */
const MERGE_MS = 10 * 60_000;
/** A burst, and what comes back per second after it: of all, and of one namespace, whose tenants can cause Events by asking. */
const OF_ALL = { burst: 50, perSecond: 2, maxKeys: 2 };
const OF_ONE = { burst: 25, perSecond: 0.5, maxKeys: 1_000 };
/** Kinds of occurrences remembered for merging. */
const REMEMBERED = 1000;
const MAX_MESSAGE = 1024;

interface Series {
  readonly name: string;
  readonly namespace: string;
  readonly first: number;
  count: number;
  last: number;
}

/**
 * Writes Kubernetes Events: the same one again only raises a count, and there is a limit to how many are written, so that a crowd of
 * failing pods cannot turn the operator against the API server, and to how many are about one namespace, so that it hides no other. What does not fit is dropped and counted; the log has it all.
 */
export class EventRecorder implements Events {
  readonly #deps: EventRecorderDeps;
  readonly #series = new Map<string, Series>();
  readonly #one = new TokenBuckets(OF_ONE);
  readonly #all = new TokenBuckets(OF_ALL);
  #work: Promise<void> = Promise.resolve();

  constructor(deps: EventRecorderDeps) {
    this.#deps = deps;
  }

  emit(occurrence: Occurrence): void {
    const { clock, metrics } = this.#deps;
    const key = keyOf(occurrence);
    const now = clock.now();
    const known = this.#series.get(key);
    if (!this.#mayWrite(occurrence, now)) {
      metrics.events.inc({ result: 'dropped' });
      return;
    }
    const series = known && now - known.last < MERGE_MS ? known : this.#begin(key, occurrence, now);
    if (series === known) {
      series.count += 1;
      series.last = now;
    }
    const { count } = series;
    this.#work = this.#work.then(() => this.#write(occurrence, series, count));
  }

  /** Waits until what was told so far is written or has failed. */
  flush(): Promise<void> {
    return this.#work;
  }

  #begin(key: string, { about, reason }: Occurrence, now: number): Series {
    const suffix = createHash('sha256')
      .update(`${key} ${now} ${this.#deps.podName}`)
      .digest('hex')
      .slice(0, 16);
    const series: Series = {
      name: `${about.metadata.name.slice(0, 180)}.${reason.toLowerCase()}.${suffix}`,
      namespace: about.metadata.namespace ?? 'default',
      first: now,
      count: 1,
      last: now,
    };
    this.#series.delete(key);
    this.#series.set(key, series);
    const [oldest] = this.#series.keys();
    if (this.#series.size > REMEMBERED && oldest !== undefined) this.#series.delete(oldest);
    return series;
  }

  async #write(occurrence: Occurrence, series: Series, count: number): Promise<void> {
    const { api, log, metrics } = this.#deps;
    try {
      if (count > 1) await this.#raise(occurrence, series, count);
      else await api.create(EVENTS, this.#event(occurrence, series, count));
      metrics.events.inc({ result: count > 1 ? 'merged' : 'written' });
    } catch (err) {
      if (isAlreadyExists(err)) return;
      // Nobody will look there any more.
      if (isBecauseTerminating(err)) {
        metrics.events.inc({ result: 'dropped' });
        return;
      }
      metrics.events.inc({ result: 'failed' });
      log.warn(
        { err, reason: occurrence.reason, about: occurrence.about.metadata.name },
        'an Event could not be written',
      );
    }
  }

  async #raise(occurrence: Occurrence, series: Series, count: number): Promise<void> {
    const { api } = this.#deps;
    const { name, namespace } = series;
    try {
      await api.mergePatch(EVENTS, { name, namespace }, { count, lastTimestamp: rfc3339(series.last) });
    } catch (err) {
      // Events live for an hour by default; one that is gone is written again.
      if (!isNotFound(err)) throw err;
      await api.create(EVENTS, this.#event(occurrence, series, count));
    }
  }

  #event({ about, type, reason, message }: Occurrence, series: Series, count: number): Event {
    const { podName } = this.#deps;
    const { name, namespace, uid, resourceVersion } = about.metadata;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: series.name, namespace: series.namespace },
      involvedObject: {
        ...(about.apiVersion ? { apiVersion: about.apiVersion } : {}),
        ...(about.kind ? { kind: about.kind } : {}),
        name,
        ...(namespace ? { namespace } : {}),
        ...(uid ? { uid } : {}),
        ...(resourceVersion ? { resourceVersion } : {}),
      },
      type,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      count,
      firstTimestamp: rfc3339(series.first),
      lastTimestamp: rfc3339(series.last),
      source: { component: 'mesh-operator' },
      reportingComponent: 'mesh.dev/operator',
      reportingInstance: podName,
    };
  }

  /** What is said about the mesh itself has a share that no namespace can use up. */
  #mayWrite({ about }: Occurrence, now: number): boolean {
    const { namespace } = about.metadata;
    if (namespace === undefined) return this.#all.take('cluster', now) === 0;
    return this.#one.take(namespace, now) === 0 && this.#all.take('namespaces', now) === 0;
  }
}

function keyOf({ about, type, reason, message }: Occurrence): string {
  const { uid, namespace, name } = about.metadata;
  return JSON.stringify([about.kind, uid ?? '', namespace ?? '', name, type, reason, message]);
}
