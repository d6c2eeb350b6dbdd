import type { KubeObject } from '#core/resource.ts';
import { objectKey } from '#core/resource.ts';
import { trustDomain } from '#core/spiffe-id.ts';
import type { ResourceType } from '#kube/api.ts';
import { FakeClock } from '#kube/clock.fake.ts';
import { FakeApiServer } from '#kube/fake-api.fake.ts';
import { FakeLog } from '#kube/log.fake.ts';
import type { Pod } from '#kube/types.ts';

import type { FakeCache } from '../cache.fake.ts';
import { Controller } from '../controller.ts';
import type { ControllerDuty } from '../controller.ts';
import { FakeEvents } from '../events.fake.ts';
import { createMetrics } from '../metrics.ts';

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

/** An injected pod of namespace shop whose application has ended. */
export function pod(
  name: string,
  service: string,
  more: { ready?: boolean; account?: string; labels?: object; style?: string } = {},
): Pod {
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      labels: {
        app: service,
        'mesh.dev/service': service,
        'mesh.dev/injected': more.style ?? 'native',
        ...more.labels,
      },
    },
    spec: {
      serviceAccountName: more.account ?? service,
      restartPolicy: 'Never',
      containers: [{ name: 'mesh-sidecar' }, { name: 'app' }],
    },
    status: {
      phase: 'Running',
      podIP: '10.1.1.1',
      conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }],
      containerStatuses: [{ name: 'mesh-sidecar' }, { name: 'app', state: { terminated: { exitCode: 0 } } }],
    },
  } as unknown as Pod;
}
