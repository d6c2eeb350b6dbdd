import { eventually } from '#base/testing/eventually.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { systemClock } from '#base/clock.ts';
import { FakeClock } from '#base/testing/clock.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { generateKeys, spkiDer } from '#pki/keys.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { FakeTrust, meshConfigOf } from '../trust/trust.fake.ts';
import { FakeOperator } from './fake-operator.fake.ts';
import { IdentityManager } from './identity-manager.ts';
import { signingClient } from './signing-client.ts';

const db = { namespace: namespaceName('shop'), service: serviceName('db') };
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function setUp(
  options: { clock?: FakeClock; ttlMs?: number; leafTTL?: string; timeoutMs?: number } = {},
) {
  const operator = await FakeOperator.start(db);
  operator.ttlMs = options.ttlMs ?? operator.ttlMs;
  const trust = new FakeTrust();
  trust.set(meshConfigOf([operator.pki], operator.pki, options.leafTTL));
  const log = new FakeLog();
  let token = 'first-token';
  const identity = new IdentityManager({
    clock: options.clock ?? systemClock,
    log,
    trust,
    service: db,
    sign: signingClient({
      url: operator.url,
      readToken: () => Promise.resolve(`${token}\n`),
      timeoutMs: options.timeoutMs ?? 10_000,
    }),
    random: () => 0.5,
  });
  cleanups.push(
    () => operator.stop(),
    () => identity.stop(),
  );
  return { operator, trust, log, identity, setToken: (next: string) => (token = next) };
}

test('a certificate is obtained with a key of our own and handed out with the bundle', async () => {
  const { operator, identity } = await setUp();
  let changes = 0;
  identity.onChange(() => changes++);
  identity.start();
  await eventually(() => identity.current() !== undefined);
  const snapshot = identity.current()!;
  expect(snapshot.svid.spiffeId).toBe('spiffe://cluster.local/ns/shop/dc/dc1/svc/db');
  expect(snapshot.bundle.rootsOfAllDomains).toHaveLength(1);
  expect(snapshot.version).toBe(1);
  expect(changes).toBe(1);
  expect(identity.state()).toMatchObject({ valid: true, issued: 1 });
  expect(operator.requests[0]).toMatchObject({ token: 'first-token', service: 'db' });
});

test('the private key is in no state that people are shown', async () => {
  const { identity, log } = await setUp();
  identity.start();
  await eventually(() => identity.current() !== undefined);
  expect(JSON.stringify(identity.state())).not.toContain('PRIVATE');
  expect(JSON.stringify(identity.current())).not.toContain('PRIVATE');
  expect(JSON.stringify(log.lines)).not.toContain('PRIVATE');
});

test('every renewal has a new key and reads the token again', async () => {
  const { operator, identity, setToken } = await setUp({ ttlMs: 1_000 });
  identity.start();
  await eventually(() => identity.state().issued === 1);
  setToken('second-token');
  await eventually(() => identity.state().issued === 3);
  expect(new Set(operator.requests.map((request) => request.csr)).size).toBe(operator.requests.length);
  expect(operator.requests.at(-1)?.token).toBe('second-token');
});

test('renewals of a short life leave no moment without a valid certificate', async () => {
  const { identity } = await setUp({ ttlMs: 3_000 });
  identity.start();
  await eventually(() => identity.current() !== undefined);
  let gaps = 0;
  const watch = setInterval(() => (gaps += identity.current()!.svid.notAfter <= Date.now() ? 1 : 0), 5);
  cleanups.push(() => clearInterval(watch));
  await eventually(() => identity.state().issued >= 5, { withinMs: 25_000 });
  expect(gaps).toBe(0);
}, 30_000);

test('nothing is asked before there is somebody to trust', async () => {
  const { operator, identity, trust } = await setUp();
  const config = meshConfigOf([operator.pki]);
  const nobody = new FakeTrust();
  const waiting = new IdentityManager({
    clock: systemClock,
    log: new FakeLog(),
    trust: nobody,
    service: db,
    sign: signingClient({ url: operator.url, readToken: () => Promise.resolve('token') }),
  });
  cleanups.push(() => waiting.stop());
  waiting.start();
  expect(trust.current()).toBeDefined();
  expect(operator.requests).toHaveLength(0);
  nobody.set(config);
  await eventually(() => waiting.current() !== undefined);
  expect(identity.current()).toBeUndefined();
});

test('an operator whose certificate is of another authority gets no token', async () => {
  const { operator, identity, trust } = await setUp();
  trust.set(meshConfigOf([await TestPki.create()]));
  identity.start();
  await eventually(() => identity.state().failures.has('unreachable'));
  expect(operator.requests).toHaveLength(0);
});

test('an operator whose certificate is of a federated root gets no token', async () => {
  const { operator, identity, trust } = await setUp();
  const own = await TestPki.create();
  const config = meshConfigOf([own]);
  const partner = { trustDomain: 'partner.example', bundle: operator.pki.rootPem };
  trust.set({ ...config, spec: { ...config.spec, federation: [partner] } });
  identity.start();
  await eventually(() => identity.state().failures.has('unreachable'));
  expect(operator.requests).toHaveLength(0);
});

test('an operator whose certificate has another name gets no token', async () => {
  const { operator, identity } = await setUp();
  await operator.stop();
  await operator.listen(['elsewhere.example']);
  identity.start();
  await eventually(() => identity.state().failures.has('unreachable'));
  expect(operator.requests).toHaveLength(0);
});

describe('an answer is refused', () => {
  const cases: [string, (operator: FakeOperator) => void | Promise<void>, RegExp][] = [
    [
      'of another name',
      (operator) => void (operator.uri = operator.pki.spiffeId({ namespace: 'shop', service: 'web' })),
      /names spiffe.*web where/,
    ],
    [
      'for another key',
      async (operator) => void (operator.foreignKey = spkiDer((await generateKeys()).publicKey)),
      /another key/,
    ],
    ['that begins later', (operator) => void (operator.aheadMs = 600_000), /clocks of this node/],
    ['that ended', (operator) => void (operator.aheadMs = -7_200_000), /ended/],
    [
      'without a certificate',
      (operator) => void (operator.intercept = () => ({ status: 200, body: {} })),
      /no certificate/,
    ],
    [
      'that is not JSON',
      (operator) => void (operator.intercept = () => ({ status: 200, body: '<html>' })),
      /no certificate/,
    ],
    [
      'that never ends',
      (operator) => void (operator.intercept = () => ({ status: 200, body: 'x'.repeat(400_000) })),
      /longer than/,
    ],
  ];
  test.each(cases)('%s', async (_name, bend, message) => {
    const { operator, identity, log } = await setUp();
    await bend(operator);
    identity.start();
    await eventually(() => identity.state().failures.size > 0);
    expect([...identity.state().failures.keys()]).toEqual(['bad-answer']);
    expect(identity.state().lastFault).toMatch(message);
    expect(identity.current()).toBeUndefined();
    expect(log.lines.at(-1)?.message).toBe('no certificate yet');
  });

  test('of a root that MeshConfig does not publish', async () => {
    const { operator, identity } = await setUp();
    const foreign = await operator.pki.foreign();
    operator.intercept = () => undefined;
    Object.defineProperty(operator, 'pki', {
      value: Object.assign(operator.pki, { signer: foreign.signer }),
    });
    identity.start();
    await eventually(() => identity.state().failures.size > 0);
    expect(identity.state().lastFault).toMatch(/no valid path/);
  });
});

test.each([
  ['55 s ahead of this node', 55_000],
  ['right', 0],
  ['most of a leaf’s life behind', -3_500_000],
])('the operator’s clock is %s: its certificate is taken', async (_what, aheadMs) => {
  const { operator, identity } = await setUp();
  operator.aheadMs = aheadMs;
  identity.start();
  await eventually(() => identity.state().valid);
  expect(identity.state().failures.size).toBe(0);
});

test('the operator’s clock is 65 s ahead: that is said, and its certificate is taken once a minute’s lead is all there is', async () => {
  const { operator, identity } = await setUp();
  operator.aheadMs = 65_000;
  identity.start();
  await eventually(() => identity.state().failures.size > 0);
  expect(identity.state().lastFault).toMatch(/begins \S+ s? ?in the future|clocks of this node/);
  operator.aheadMs = 50_000;
  await eventually(() => identity.state().valid);
});

test('a refusal is tried again, later if the operator says so', async () => {
  const clock = new FakeClock(Date.now());
  const { operator, identity } = await setUp({ clock });
  operator.intercept = () => ({
    status: 429,
    headers: { 'retry-after': '30' },
    body: { error: { code: 'too-many', message: 'slow down' } },
  });
  identity.start();
  await clock.advance(0);
  await eventually(() => identity.state().failures.get('too-many') === 1);
  operator.intercept = undefined;
  await clock.advance(29_000);
  expect(operator.requests).toHaveLength(1);
  await clock.advance(10_000);
  await eventually(() => identity.current() !== undefined);
  expect(identity.state().lastFault).toBeUndefined();
});

test('an operator that never answers is given up and tried again', async () => {
  const { operator, identity } = await setUp({ timeoutMs: 500 });
  operator.silent = true;
  identity.start();
  await eventually(() => identity.state().failures.get('timeout') === 1);
  operator.silent = false;
  await eventually(() => identity.current() !== undefined);
});

test('the last good certificate outlives the operator until its end, and then says so', async () => {
  const { operator, identity, log } = await setUp({ ttlMs: 3_000 });
  identity.start();
  await eventually(() => identity.current() !== undefined);
  await operator.stop();
  await eventually(() => identity.state().failures.size > 0);
  expect(identity.state().valid).toBe(true);
  await eventually(() => !identity.state().valid);
  await eventually(() => log.lines.some((line) => line.level === 'error'));
  expect(log.lines.find((line) => line.level === 'error')?.message).toMatch(/certificate has ended/);
  expect(identity.current()).toBeDefined();
  await operator.listen();
  await eventually(() => identity.state().valid, { withinMs: 20_000 });
}, 30_000);

test('a new active root brings a new certificate at once; peers may still show the old one', async () => {
  const { operator, identity, trust } = await setUp({ leafTTL: '10s' });
  const old = operator.pki;
  identity.start();
  await eventually(() => identity.current() !== undefined);
  const next = await TestPki.create();
  trust.set(meshConfigOf([old, next], old, '10s'));
  expect(identity.current()).toMatchObject({ version: 2 });
  expect(identity.current()!.bundle.rootsOfAllDomains).toHaveLength(2);
  expect(identity.state().issued).toBe(1);
  operator.pki = next;
  trust.set(meshConfigOf([old, next], next, '10s'));
  await eventually(() => identity.state().issued === 2);
});

test('everything has ended, leaf, root and operator: new roots from the API server bring a new certificate by themselves', async () => {
  const { operator, identity, trust } = await setUp({ ttlMs: 1_000 });
  const old = operator.pki;
  identity.start();
  await eventually(() => identity.current() !== undefined);
  await operator.stop();
  await eventually(() => !identity.state().valid);
  const ended = await TestPki.create({ now: Date.now() - 11 * 365 * 24 * 3_600_000 });
  trust.set(meshConfigOf([ended], ended));
  expect(identity.state().valid).toBe(false);
  operator.pki = await TestPki.create();
  operator.ttlMs = 3_600_000;
  await operator.listen();
  trust.set(meshConfigOf([ended, operator.pki], operator.pki));
  const since = Date.now();
  await eventually(() => identity.state().valid);
  expect(Date.now() - since).toBeLessThan(3_000);
  expect(identity.current()?.svid.certChainPem).not.toContain(old.rootPem);
}, 20_000);

test('a status write that changes nothing causes no work', async () => {
  const { operator, identity, trust } = await setUp();
  identity.start();
  await eventually(() => identity.current() !== undefined);
  trust.set(meshConfigOf([operator.pki]));
  expect(identity.current()?.version).toBe(1);
  expect(operator.requests).toHaveLength(1);
});
