import { eventually } from '#base/testing/eventually.ts';
import { FakeApiServer, Refused } from '#kube/testing/fake-api.fake.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { silentLog } from '#base/log.ts';
import { DEPLOYMENTS, LEASES, MUTATING_WEBHOOKS, PODS, VALIDATING_WEBHOOKS } from '#kube/types.ts';

import { uninstall } from './uninstall.ts';

const NAMESPACE = 'mesh-system';
const labels = { 'app.kubernetes.io/name': 'mesh-operator' };

describe('uninstalling', () => {
  let fake: FakeApiServer;
  const clock = new FakeClock();
  const run = (): Promise<void> =>
    uninstall({ api: fake.api, clock, log: silentLog, meshNamespace: NAMESPACE });

  beforeEach(async () => {
    fake = await FakeApiServer.started();
    fake.put(DEPLOYMENTS, {
      metadata: { name: 'mesh-operator', namespace: NAMESPACE },
      spec: { replicas: 2 },
    } as never);
    for (const type of [MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS] as const) {
      fake.put(type, { metadata: { name: 'mesh' } });
      fake.put(type, { metadata: { name: 'other' } });
    }
  });
  afterEach(() => fake.close());

  const webhooks = (name: string): unknown[] => [
    fake.find(MUTATING_WEBHOOKS, { name }),
    fake.find(VALIDATING_WEBHOOKS, { name }),
  ];

  test('stops the operator, then removes its webhooks and no others', async () => {
    fake.put(LEASES, { metadata: { name: 'mesh-operator', namespace: NAMESPACE } });
    await run();
    expect(fake.find(LEASES, { name: 'mesh-operator', namespace: NAMESPACE })).toBeUndefined();
    expect(fake.find(DEPLOYMENTS, { name: 'mesh-operator', namespace: NAMESPACE })?.spec?.replicas).toBe(0);
    expect(webhooks('mesh')).toEqual([undefined, undefined]);
    expect(webhooks('other')).not.toContain(undefined);
  });

  test('waits until the last pod of the operator has ended, since it would register the webhooks again', async () => {
    fake.put(PODS, { metadata: { name: 'mesh-operator-1', namespace: NAMESPACE, labels } });
    let ended = false;
    const running = run().then(() => (ended = true));
    await eventually(() => clock.pendingTimers > 0);
    expect(webhooks('mesh')).not.toContain(undefined);
    expect(ended).toBe(false);
    fake.remove(PODS, { name: 'mesh-operator-1', namespace: NAMESPACE });
    await clock.advance(1_000);
    await running;
    expect(webhooks('mesh')).toEqual([undefined, undefined]);
  });

  test('does not wait for ever: the node of a pod may be lost', async () => {
    fake.put(PODS, { metadata: { name: 'mesh-operator-1', namespace: NAMESPACE, labels } });
    let ended = false;
    const running = run().then(() => (ended = true));
    while (!ended) {
      await eventually(() => clock.pendingTimers > 0 || ended);
      await clock.advance(1_000);
    }
    await running;
    expect(webhooks('mesh')).toEqual([undefined, undefined]);
  });

  test('may be run again when everything is gone', async () => {
    await run();
    fake.remove(DEPLOYMENTS, { name: 'mesh-operator', namespace: NAMESPACE });
    await expect(run()).resolves.toBeUndefined();
  });

  test('fails when the API server refuses, so that Helm says so', async () => {
    fake.intercept = ({ method }) => (method === 'DELETE' ? new Refused(403, 'Forbidden', 'no') : undefined);
    await expect(run()).rejects.toThrow('no');
  });
});
