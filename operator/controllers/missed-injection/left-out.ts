import { ANNOTATIONS, LABELS } from '#core/constants.ts';
import { LEFT_OUT_REASONS, isLeftOutReason } from '#core/pod/left-out.ts';
import { objectKey } from '#core/resource.ts';
import type { Pod } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import type { Events } from '../../control-loop/events.ts';
import { isTerminal } from '../../resources/pod.ts';

export interface LeftOutDeps {
  /** Pods that injection marked as left out. */
  readonly pods: ObjectCache<Pod>;
  readonly events: Events;
}

/** An Event on each pod whose namespace asks for the mesh and that injection left out, since it cannot join. Keys are pods. */
export class LeftOutController implements ControllerDuty {
  readonly name = 'left-out';
  readonly #deps: LeftOutDeps;
  /** UIDs of pods that have their Event, by key. */
  readonly #reported = new Map<string, string>();

  constructor(deps: LeftOutDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    return [this.#deps.pods.subscribe((changes) => changes.forEach(({ key }) => add(key)))];
  }

  *keys(): Iterable<string> {
    for (const pod of this.#deps.pods.all()) yield objectKey(pod);
  }

  reconcile(key: string): Promise<Requeue | void> {
    const pod = this.#deps.pods.get(key);
    const uid = pod?.metadata.uid ?? '';
    if (!pod) this.#reported.delete(key);
    else if (this.#reported.get(key) !== uid && !isTerminal(pod)) {
      this.#reported.set(key, uid);
      this.#deps.events.emit({
        about: { apiVersion: 'v1', kind: 'Pod', metadata: pod.metadata },
        type: 'Warning',
        reason: 'LeftOutOfMesh',
        message: leftOutMessage(pod),
      });
    }
    return Promise.resolve();
  }
}

function leftOutMessage({ metadata }: Pod): string {
  const reason = metadata.labels?.[LABELS.leftOut] ?? '';
  const why = isLeftOutReason(reason) ? `: ${LEFT_OUT_REASONS[reason] ?? ''}` : '';
  return `the namespace asks for the mesh, and the pod was left out of it (${reason}${why}); it runs without a sidecar, neither encrypted nor checked. The annotation ${ANNOTATIONS.inject}: "true" on the pod has it refused instead, with everything that is wrong; "false" says that it is meant so`;
}
