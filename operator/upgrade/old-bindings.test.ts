import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS } from '#kube/types.ts';
import { eventually } from '#base/testing/eventually.ts';

import { removeOldBindings } from './old-bindings.ts';

const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'any' };
const account = (name: string) => ({ kind: 'ServiceAccount', name, namespace: 'shop' });

let fake: FakeApiServer;
let clock: FakeClock;
beforeEach(async () => {
  fake = await FakeApiServer.started();
  clock = new FakeClock();
  for (const name of ['mesh-sidecar.shop', 'mesh-sidecar', 'others', 'mesh-sidecar.kept'])
    fake.put(CLUSTER_ROLE_BINDINGS, { metadata: { name }, roleRef });
  fake.put(ROLE_BINDINGS, { metadata: { name: 'mesh-sidecar.shop', namespace: 'mesh' }, roleRef });
  fake.put(ROLE_BINDINGS, { metadata: { name: 'mesh-sidecar.shop', namespace: 'shop' }, roleRef });
  bind('mesh-sidecar.shop', 'web');
});
afterEach(() => fake.close());

const bind = (name: string, ...accounts: string[]): void =>
  void fake.put(CLUSTER_ROLE_BINDINGS, { metadata: { name }, roleRef, subjects: accounts.map(account) });
const run = (...names: string[]): Promise<void> =>
  removeOldBindings(names, { api: fake.api, clock, log: new FakeLog(), meshNamespace: 'mesh' });
const left = (): readonly string[] =>
  [...fake.objects(CLUSTER_ROLE_BINDINGS), ...fake.objects(ROLE_BINDINGS)]
    .map(({ metadata: { namespace, name } }) => `${namespace ?? ''}/${name}`)
    .sort();

test('old bindings are removed once the new one has their accounts, and nothing else is', async () => {
  const done = run('mesh-sidecar.shop');
  await eventually(() => fake.requests.length >= 2);
  expect(left()).toHaveLength(6);
  bind('mesh-sidecar', 'db', 'web');
  await clock.advance(2_000);
  await done;
  expect(left()).toEqual(['/mesh-sidecar', '/mesh-sidecar.kept', '/others', 'shop/mesh-sidecar.shop']);
});

test('accounts that no pod has any more are not waited for without end', async () => {
  const done = run('mesh-sidecar.shop');
  let ended = false;
  void done.then(() => (ended = true));
  for (let second = 0; second < 100 && !ended; second += 1) {
    await eventually(() => fake.requests.length >= 2 * (second + 1) || ended);
    await clock.advance(1_000);
  }
  await done;
  expect(left()).not.toContain('/mesh-sidecar.shop');
});

test('it may be run again', async () => {
  bind('mesh-sidecar', 'web');
  await run('mesh-sidecar.shop');
  await run('mesh-sidecar.shop');
  expect(left()).not.toContain('/mesh-sidecar.shop');
});
