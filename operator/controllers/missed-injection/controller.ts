import type { Pod } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import type { Events } from '../../control-loop/events.ts';
import type { OperatorMetrics } from '../../metrics/metrics.ts';
import { missedInjection } from './decide.ts';

export interface MissedInjectionDeps {
  /** All pods, pruned to those that mention injection. */
  readonly pods: ObjectCache<Pod>;
  readonly events: Events;
  readonly metrics: Pick<OperatorMetrics, 'missedInjections'>;
  /** Namespaces where nothing is ever injected. */
  readonly excludedNamespaces: readonly string[];
}

/** Tells of pods that asked for the mesh and run without it. Only used where the API server may let such pods pass. */
export class MissedInjectionController implements ControllerDuty {
  readonly name = 'missed-injection';
  readonly #deps: MissedInjectionDeps;
  readonly #missed = new Set<string>();

  constructor(deps: MissedInjectionDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    return [
      this.#deps.pods.subscribe((changes) => {
        for (const { key, after } of changes)
          if (this.#missed.has(key) || (after && this.#isMissed(after))) add(key);
      }),
    ];
  }

  *keys(): Iterable<string> {
    for (const pod of this.#deps.pods.all())
      if (this.#isMissed(pod)) yield `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`;
  }

  reconcile(key: string): Promise<Requeue | void> {
    const { pods, events, metrics } = this.#deps;
    const pod = pods.get(key);
    if (!pod || !this.#isMissed(pod)) {
      this.#missed.delete(key);
    } else if (!this.#missed.has(key)) {
      this.#missed.add(key);
      events.emit({
        about: { apiVersion: 'v1', kind: 'Pod', metadata: pod.metadata },
        type: 'Warning',
        reason: 'NotInjected',
        message:
          'the pod asks for the mesh (mesh/inject) and runs without it: the mesh was not reachable when the pod was made; delete the pod so that it is made again',
      });
    }
    metrics.missedInjections.set(this.#missed.size);
    return Promise.resolve();
  }

  #isMissed(pod: Pod): boolean {
    return missedInjection(pod, this.#deps.excludedNamespaces);
  }
}
