import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { silentLog } from '#base/log.ts';
import { EVENTS } from '#kube/types.ts';

import { EventRecorder } from './events.ts';
import type { Occurrence } from './events.ts';
import { createMetrics } from '../metrics/metrics.ts';

describe('Kubernetes Events', () => {
  let fake: FakeApiServer;
  let clock: FakeClock;
  let recorder: EventRecorder;
  const { metrics } = createMetrics();

  beforeEach(async () => {
    fake = await FakeApiServer.started();
    clock = new FakeClock();
    metrics.events.reset();
    recorder = new EventRecorder({ api: fake.api, clock, log: silentLog, metrics, podName: 'op-1' });
  });

  afterEach(() => fake.close());

  function occurrence(name = 'web-db', message = 'refused'): Occurrence {
    const about = {
      apiVersion: 'mesh.dev/v1alpha1',
      kind: 'Intention',
      metadata: { name, namespace: 'shop', uid: `uid-${name}` },
    };
    return { about, type: 'Warning', reason: 'Conflict', message };
  }

  async function counted(): Promise<Record<string, number>> {
    const { values } = await metrics.events.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.result ?? '', value]));
  }

  test('is written beside its object, with what `kubectl describe` looks for', async () => {
    recorder.emit(occurrence());
    await recorder.flush();
    const [event] = fake.objects(EVENTS);
    expect(event).toMatchObject({
      metadata: { namespace: 'shop' },
      involvedObject: {
        apiVersion: 'mesh.dev/v1alpha1',
        kind: 'Intention',
        name: 'web-db',
        namespace: 'shop',
        uid: 'uid-web-db',
      },
      type: 'Warning',
      reason: 'Conflict',
      message: 'refused',
      count: 1,
      source: { component: 'mesh-operator' },
    });
    expect(event?.metadata.name).toMatch(/^web-db\.conflict\.[0-9a-f]{16}$/);
  });

  test('an Event about a cluster-scoped object goes to the namespace where kubectl looks', async () => {
    recorder.emit({ ...occurrence(), about: { kind: 'MeshConfig', metadata: { name: 'mesh' } } });
    await recorder.flush();
    expect(fake.objects(EVENTS)[0]?.metadata.namespace).toBe('default');
  });

  test('the same again raises a count; after ten minutes it is news', async () => {
    for (let time = 0; time < 3; time++) {
      recorder.emit(occurrence());
      await clock.advance(60_000);
    }
    await recorder.flush();
    expect(fake.objects(EVENTS).map(({ count }) => count)).toEqual([3]);
    await clock.advance(11 * 60_000);
    recorder.emit(occurrence());
    await recorder.flush();
    expect(
      fake
        .objects(EVENTS)
        .map(({ count }) => count)
        .sort(),
    ).toEqual([1, 3]);
    expect(await counted()).toEqual({ written: 2, merged: 2 });
  });

  test('one whose Event has been swept away is written again', async () => {
    recorder.emit(occurrence());
    await recorder.flush();
    const [event] = fake.objects(EVENTS);
    if (event) fake.remove(EVENTS, { name: event.metadata.name, namespace: 'shop' });
    recorder.emit(occurrence());
    await recorder.flush();
    expect(fake.objects(EVENTS).map(({ count }) => count)).toEqual([2]);
  });

  const inNamespace = (index: number): Occurrence => {
    const { about, ...rest } = occurrence(`rule-${index}`);
    return { ...rest, about: { ...about, metadata: { ...about.metadata, namespace: `ns-${index}` } } };
  };

  test('a crowd is cut off, and comes back slowly', async () => {
    for (let index = 0; index < 200; index++) recorder.emit(inNamespace(index));
    await recorder.flush();
    expect(fake.objects(EVENTS)).toHaveLength(50);
    expect(await counted()).toEqual({ written: 50, dropped: 150 });
    await clock.advance(5_000);
    for (let index = 200; index < 400; index++) recorder.emit(inNamespace(index));
    await recorder.flush();
    expect(fake.objects(EVENTS)).toHaveLength(60);
  });

  test('what one namespace causes leaves room for the others, and all of them for the mesh itself', async () => {
    for (let index = 0; index < 200; index++) recorder.emit(occurrence(`rule-${index}`));
    await recorder.flush();
    expect(fake.objects(EVENTS)).toHaveLength(25);
    recorder.emit(inNamespace(1));
    for (let index = 2; index < 200; index++) recorder.emit(inNamespace(index));
    await recorder.flush();
    expect(fake.objects(EVENTS).map(({ metadata: { namespace } }) => namespace)).toContain('ns-1');
    recorder.emit({ ...occurrence(), about: { kind: 'MeshConfig', metadata: { name: 'mesh' } } });
    await recorder.flush();
    expect(fake.objects(EVENTS).map(({ involvedObject: { kind } }) => kind)).toContain('MeshConfig');
  });

  test('an API server that refuses costs nothing but a count', async () => {
    fake.failNext(403, 1);
    recorder.emit(occurrence());
    await recorder.flush();
    expect(await counted()).toEqual({ failed: 1 });
  });
});
