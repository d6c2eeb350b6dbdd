import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId, trustDomain } from '#core/spiffe-id.ts';
import type { Intention } from '#core/model/intention.ts';
import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { FakeApiServer, Refused } from '#kube/testing/fake-api.fake.ts';
import { INTENTIONS } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { eventually, pause } from '#base/testing/eventually.ts';
import { FakeTrust, meshConfigOf } from '../trust/trust.fake.ts';
import { PolicyWatch } from './policy-watch.ts';

const db = { namespace: namespaceName('shop'), service: serviceName('db') };
const scope = { trustDomain: trustDomain('cluster.local'), datacenter: 'dc1' };
const web = serviceSpiffeId(scope, { namespace: namespaceName('shop'), service: serviceName('web') });

let pki: TestPki;
let fake: FakeApiServer;
let policy: PolicyWatch;
let trust: FakeTrust;
let changes: number;

beforeAll(async () => {
  pki = await TestPki.create();
});

beforeEach(async () => {
  fake = await FakeApiServer.started();
  trust = new FakeTrust();
  trust.set(meshConfigOf([pki]));
  policy = new PolicyWatch({
    api: fake.api,
    clock: systemClock,
    log: new FakeLog(),
    trust,
    service: db,
    meshNamespace: 'mesh-system',
    forbiddenCapMs: 300,
  });
  changes = 0;
  policy.onChange(() => changes++);
});

afterEach(async () => {
  await policy.stop();
  await fake.close();
});

function intention(
  name: string,
  spec: object,
  more: { namespace?: string; generation?: number } = {},
): Intention {
  const { namespace = 'shop', generation = 1 } = more;
  return { metadata: { name, namespace, generation, uid: `uid-${name}` }, spec } as Intention;
}

const rule = (action: string, source = 'web', destination = 'db', more: object = {}) => ({
  source: { service: source },
  destination: { service: destination },
  action,
  ...more,
});

const action = () => policy.decide(web, Date.now()).action;
const reason = () => policy.decide(web, Date.now()).reason;

test('everything is denied until the intentions were read', async () => {
  fake.put(INTENTIONS, intention('a', rule('allow')));
  expect(reason()).toBe('no-policy');
  policy.start();
  expect(reason()).toBe('no-policy');
  await eventually(() => policy.ready);
  expect(action()).toBe('allow');
});

test('everything is denied until the mesh is known, whatever the intentions say', async () => {
  fake.put(INTENTIONS, intention('a', rule('allow')));
  const unknown = new FakeTrust();
  const waiting = new PolicyWatch({
    api: fake.api,
    clock: systemClock,
    log: new FakeLog(),
    trust: unknown,
    service: db,
    meshNamespace: 'mesh-system',
  });
  waiting.start();
  await eventually(() => fake.openWatches === 2);
  expect(waiting.decide(web, Date.now()).reason).toBe('no-policy');
  unknown.set(meshConfigOf([pki]));
  expect(waiting.decide(web, Date.now()).action).toBe('allow');
  await waiting.stop();
});

test('rules come, change and go', async () => {
  policy.start();
  await eventually(() => policy.ready);
  expect(action()).toBe('deny');
  fake.put(INTENTIONS, intention('a', rule('allow')));
  await eventually(() => action() === 'allow');
  fake.put(INTENTIONS, intention('a', rule('deny'), { generation: 2 }));
  await eventually(() => action() === 'deny');
  fake.put(INTENTIONS, intention('a', rule('allow'), { generation: 3 }));
  await eventually(() => action() === 'allow');
  fake.remove(INTENTIONS, { name: 'a', namespace: 'shop' });
  await eventually(() => action() === 'deny');
  expect(reason()).toBe('default');
});

test("rules of the mesh's own namespace count for everybody", async () => {
  const everywhere = {
    source: { service: '*', namespace: '*' },
    destination: { service: '*', namespace: '*' },
    action: 'allow',
  };
  fake.put(INTENTIONS, intention('all', everywhere, { namespace: 'mesh-system' }));
  policy.start();
  await eventually(() => policy.ready);
  expect(action()).toBe('allow');
});

test("an override counts from the mesh's own namespace, and has no effect from the service's own, whatever admission let through", async () => {
  const anyone = { service: '*', namespace: '*' };
  const everywhere = { source: anyone, destination: anyone, action: 'deny' };
  fake.put(INTENTIONS, intention('exact', rule('allow')));
  fake.put(INTENTIONS, intention('all', everywhere, { namespace: 'mesh-system' }));
  policy.start();
  await eventually(() => policy.ready);
  expect(action()).toBe('allow');
  fake.put(
    INTENTIONS,
    intention('all', { ...everywhere, override: true }, { namespace: 'mesh-system', generation: 2 }),
  );
  await eventually(() => action() === 'deny');
  expect(policy.decide(web, Date.now())).toMatchObject({
    rule: { ref: { key: 'mesh-system/all' } },
    outranked: [{ ref: { key: 'shop/exact' } }],
  });
  // What a tenant may do about it: nothing, with an override of its own or a rule that cannot be read.
  fake.put(INTENTIONS, intention('exact', rule('allow', 'web', 'db', { override: true }), { generation: 2 }));
  await eventually(() =>
    policy.state().rules.some(({ ref }) => ref.generation === 2 && ref.key === 'shop/exact'),
  );
  fake.put(INTENTIONS, intention('open', { ...rule('allow', '*', '*'), override: true }));
  await eventually(() => policy.state().rules.length === 3);
  expect(action()).toBe('deny');
  fake.put(
    INTENTIONS,
    intention(
      'all',
      { ...everywhere, action: 'allow', override: true },
      { namespace: 'mesh-system', generation: 3 },
    ),
  );
  fake.put(INTENTIONS, intention('shut', { ...rule('deny', '*', '*'), override: true }));
  fake.put(INTENTIONS, intention('newer', rule('deny', 'web', 'db', { ofAnotherVersion: 1 })));
  await eventually(() => policy.state().rules.length === 5);
  expect(action()).toBe('allow');
  fake.remove(INTENTIONS, { name: 'all', namespace: 'mesh-system' });
  await eventually(() => action() === 'deny');
  expect(policy.decide(web, Date.now()).rule?.ref.key).toBe('shop/newer');
});

test('a write of a status causes no work', async () => {
  fake.put(INTENTIONS, intention('a', rule('allow')));
  policy.start();
  await eventually(() => policy.ready && fake.openWatches === 2);
  const { version } = policy.state();
  const before = changes;
  for (let write = 0; write < 5; write++) {
    fake.put(INTENTIONS, { ...intention('a', rule('allow')), status: { precedence: 9, hits: write } });
  }
  fake.put(INTENTIONS, intention('unrelated', rule('allow', 'web', 'cache')));
  await eventually(() => policy.state().watches.some((watch) => watch.events >= 6));
  await pause(50);
  expect(policy.state().version).toBe(version);
  expect(changes).toBe(before);
});

test('a deleted rule that comes back under the same name and generation is read again', async () => {
  fake.put(INTENTIONS, intention('a', rule('allow')));
  policy.start();
  await eventually(() => policy.ready && fake.openWatches === 2);
  fake.remove(INTENTIONS, { name: 'a', namespace: 'shop' });
  fake.put(INTENTIONS, {
    ...intention('a', rule('deny')),
    metadata: { name: 'a', namespace: 'shop', generation: 1, uid: 'another' },
  });
  await eventually(() => reason() === 'intention' && action() === 'deny');
});

test('a rule expires at its time, and open connections are asked again', async () => {
  const expiresAt = new Date(Date.now() + 1_200).toISOString();
  fake.put(INTENTIONS, intention('a', rule('allow', 'web', 'db', { expiresAt })));
  policy.start();
  await eventually(() => policy.ready);
  expect(action()).toBe('allow');
  const before = changes;
  await eventually(() => changes > before);
  expect(action()).toBe('deny');
});

test('an intention that cannot be read denies', async () => {
  fake.put(INTENTIONS, intention('a', rule('allow')));
  fake.put(INTENTIONS, intention('b', rule('allow', 'web', 'db', { permissions: [] })));
  policy.start();
  await eventually(() => policy.ready);
  expect(reason()).toBe('unreadable-intention');
  expect(action()).toBe('deny');
});

test('access that is being granted is taken up within a second', async () => {
  fake.put(INTENTIONS, intention('a', rule('allow')));
  let granted = false;
  fake.intercept = () => (granted ? undefined : new Refused(403, 'Forbidden', 'not bound yet'));
  policy.start();
  await eventually(() => fake.requests.length >= 8);
  granted = true;
  const from = Date.now();
  await eventually(() => policy.ready);
  expect(Date.now() - from).toBeLessThan(1_000);
  expect(action()).toBe('allow');
});

test('the last rules hold while the API server is gone, and it catches up by itself', async () => {
  fake.put(INTENTIONS, intention('a', rule('allow')));
  policy.start();
  await eventually(() => policy.ready);
  await fake.stop();
  await pause(100);
  expect(action()).toBe('allow');
  fake.put(INTENTIONS, intention('a', rule('deny'), { generation: 2 }));
  await fake.start();
  await eventually(() => action() === 'deny');
});

test('the default action follows MeshConfig, new roots change nothing', async () => {
  policy.start();
  await eventually(() => policy.ready);
  const before = changes;
  trust.set(meshConfigOf([pki, await TestPki.create()]));
  expect(changes).toBe(before);
  const config = meshConfigOf([pki]);
  trust.set({ ...config, spec: { ...config.spec, defaultAction: 'allow' } });
  expect(changes).toBe(before + 1);
  expect(action()).toBe('allow');
});

describe('more intentions than are kept', () => {
  test('deny everything, since one that is not known may be the one that decides, until there are fewer', async () => {
    fake.put(INTENTIONS, intention('web-db', rule('allow')));
    policy.start();
    await eventually(() => action() === 'allow');
    for (let index = 0; index < 10_000; index++)
      fake.put(INTENTIONS, intention(`more-${index}`, rule('allow', 'x', 'y')));
    await eventually(() => action() === 'deny', { withinMs: 20_000 });
    expect(policy.ready).toBe(false);
  }, 60_000);
});
