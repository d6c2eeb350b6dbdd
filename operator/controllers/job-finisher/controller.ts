import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { Logger } from '#base/log.ts';
import type { Pod } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import type { ControlTarget } from '../../sidecar-commands/control-client.ts';
import type { OperatorMetrics } from '../../metrics/metrics.ts';
import { finishedWork } from './decide.ts';

export interface JobFinisherDeps {
  /** Injected pods. */
  readonly pods: ObjectCache<Pod>;
  /** Tells a sidecar to end; throws when it could not be told. */
  readonly tell: (target: ControlTarget) => Promise<void>;
  readonly scope: IdentityScope;
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'jobsFinished'>;
}

/** A sidecar that was told and has not ended by then is told again. */
const TELL_AGAIN_MS = 30_000;

/** Ends ordinary sidecars whose pod has nothing left to do, so that Jobs complete. Keys are pods. */
export class JobFinisherController implements ControllerDuty {
  readonly name = 'job-finisher';
  readonly #deps: JobFinisherDeps;

  constructor(deps: JobFinisherDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    return [
      this.#deps.pods.subscribe((changes) => {
        for (const { key, after } of changes) if (after && finishedWork(after)) add(key);
      }),
    ];
  }

  *keys(): Iterable<string> {
    for (const pod of this.#deps.pods.all()) {
      if (finishedWork(pod)) yield `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`;
    }
  }

  async reconcile(key: string): Promise<Requeue | void> {
    const { pods, tell, scope, log, metrics } = this.#deps;
    const pod = pods.get(key);
    const work = pod && finishedWork(pod);
    if (!work) return undefined;
    const { namespace, service, ip } = work;
    const spiffeId = serviceSpiffeId(scope, {
      namespace: namespaceName(namespace),
      service: serviceName(service),
    });
    try {
      await tell({ ip, spiffeId });
    } catch (error) {
      metrics.jobsFinished.inc({ result: 'error' });
      throw error;
    }
    metrics.jobsFinished.inc({ result: 'ok' });
    log.info({ pod: key, service }, 'told the sidecar of a finished pod to end');
    return { requeueAfterMs: TELL_AGAIN_MS };
  }
}
