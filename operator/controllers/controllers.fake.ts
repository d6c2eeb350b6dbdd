import type { KubeObject } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import type { SidecarStyle } from '#core/pod/sidecar-of-pod.ts';
import { trustDomain } from '#core/spiffe-id.ts';
import type { ResourceType } from '#kube/api.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import type { Pod } from '#kube/types.ts';

import type { FakeCache } from '../control-loop/cache.fake.ts';
import { Controller } from '../control-loop/controller.ts';
import type { ControllerDuty } from '../control-loop/controller.ts';
import { FakeEvents } from '../control-loop/events.fake.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { memberSpec } from '../resources/member.fake.ts';
import type { MemberRules } from '../resources/member.ts';

export const SCOPE = { trustDomain: trustDomain('cluster.local'), datacenter: 'dc1' };

/** What controllers work in: an API server, a clock that stands still, a log, and the controllers that run. */
export class ControllerWorld {
  readonly clock = new FakeClock();
  readonly log = new FakeLog();
  readonly events = new FakeEvents();
  readonly metrics = createMetrics().metrics;
  readonly fake: FakeApiServer;
  readonly #running: Controller[] = [];

  private constructor(fake: FakeApiServer) {
    this.fake = fake;
  }

  static async make(): Promise<ControllerWorld> {
    return new ControllerWorld(await FakeApiServer.started());
  }

  /** Ends every controller and the API server; for `afterEach`. */
  async end(): Promise<void> {
    for (const controller of this.#running.splice(0)) await controller.stop();
    await this.fake.close();
  }

  /** Runs a duty until it has nothing left to do for now. */
  async run(duty: ControllerDuty): Promise<Controller> {
    const controller = new Controller(duty, this);
    this.#running.push(controller);
    controller.start();
    await controller.idle();
    return controller;
  }

  /** Brings a cache up to what the server has, as a reflector would. */
  sync<T extends KubeObject>(type: ResourceType<T>, cache: FakeCache<T>): void {
    const there = new Map(this.fake.objects(type).map((object) => [objectKey(object), object]));
    for (const object of [...cache.all()]) if (!there.has(objectKey(object))) cache.remove(objectKey(object));
    for (const [key, object] of there) {
      if (cache.get(key)?.metadata.resourceVersion !== object.metadata.resourceVersion) cache.put(object);
    }
  }
}

/** A cluster with native sidecars, where no processes outside of pods may join. */
export const RULES: MemberRules = { outside: false, address: 'required' };

export interface PodOptions {
  readonly ready?: boolean;
  readonly account?: string;
  readonly labels?: object;
  readonly style?: SidecarStyle;
  /** Its controller. */
  readonly owner?: { readonly kind: string; readonly name: string };
  readonly at?: string;
  readonly status?: object;
}

/** A member of namespace shop whose application has ended. */
export function pod(name: string, service: string, more: PodOptions = {}): Pod {
  const style = more.style ?? 'native';
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      labels: {
        app: service,
        'mesh.dev/service': service,
        'mesh.dev/injected': style,
        ...more.labels,
      },
      ...(more.at ? { creationTimestamp: more.at } : {}),
      ...(more.owner
        ? { ownerReferences: [{ apiVersion: 'v1', uid: 'o', controller: true, ...more.owner }] }
        : {}),
    },
    spec: { ...memberSpec(service, more.account ?? service, style), restartPolicy: 'Never' },
    status: {
      phase: 'Running',
      podIP: '10.1.1.1',
      conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }],
      containerStatuses: [{ name: 'mesh-sidecar' }, { name: 'app', state: { terminated: { exitCode: 0 } } }],
      ...more.status,
    },
  } as unknown as Pod;
}
