import type { MeshService } from '#core/model/mesh-service.ts';
import { podIdentityWarnings } from '#core/model/service-identity.ts';
import { objectKey } from '#core/resource.ts';
import type { Pod } from '#kube/types.ts';

import type { Events } from '../../control-loop/events.ts';
import type { MemberRules } from '../../resources/member.ts';
import { podServiceAccount } from '../../resources/pod.ts';
import { podsOfOthers } from './identity.ts';

/** Pods of one service that get an Event at a time; the MeshService's condition is for all. */
const MAX_PODS = 5;

/** An Event on each pod whose service's name is taken by other ServiceAccounts, once, as soon as the pod is there. */
export class TakenNames {
  readonly #events: Events;
  /** UIDs of pods that have their Event, by service. */
  readonly #reported = new Map<string, ReadonlySet<string>>();

  constructor(events: Events) {
    this.#events = events;
  }

  /** @param pods those of the service's namespace that are labelled as injected */
  report(service: MeshService, pods: readonly Pod[], rules: Pick<MemberRules, 'outside'>): void {
    const key = objectKey(service);
    const before = this.#reported.get(key);
    const now = podsOfOthers({ service, pods, rules }).slice(0, MAX_PODS);
    for (const pod of now) {
      if (before?.has(pod.metadata.uid ?? '')) continue;
      const [message = ''] = podIdentityWarnings(service.metadata.name, podServiceAccount(pod), [service]);
      this.#events.emit({
        about: { apiVersion: 'v1', kind: 'Pod', metadata: pod.metadata },
        type: 'Warning',
        reason: 'ServiceNameTaken',
        message,
      });
    }
    if (now.length === 0) this.#reported.delete(key);
    else this.#reported.set(key, new Set(now.map(({ metadata }) => metadata.uid ?? '')));
  }

  forget(key: string): void {
    this.#reported.delete(key);
  }
}
