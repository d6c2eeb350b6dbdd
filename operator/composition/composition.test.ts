import { request as httpsRequest } from 'node:https';

import { systemClock } from '#base/clock.ts';
import type { Clock } from '#base/clock.ts';
import { FakeApiServer, Refused } from '#kube/testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import {
  CLUSTER_ROLES,
  EVENTS,
  LEASES,
  MESH_CONFIGS,
  MESH_SERVICES,
  MUTATING_WEBHOOKS,
  PODS,
  ROLE_BINDINGS,
  SECRETS,
  VALIDATING_WEBHOOKS,
} from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { rootStatus } from '../ca/authority.ts';
import { caSecret } from '../ca/builtin-state.ts';
import { startOperator } from './composition.ts';
import type { RunningOperator } from './composition.ts';
import { readConfig } from '../config/config.ts';
import { memberSpec, registrationSpec } from '../resources/member.fake.ts';
import type { Webhooks } from './parts.ts';
import type { WebhookPath } from '../webhooks/registered-paths.ts';

/** Webhooks that only remember what they are told. */
class FakeWebhooks implements Webhooks {
  paths: readonly WebhookPath[] = [];
  pairs = 0;
  problem: string | undefined;
  isClosed = false;
  readonly port = 9443;
  start(): void {
    this.pairs += 1;
  }
  useCertificate(): void {
    this.pairs += 1;
  }
  usePaths(paths: readonly WebhookPath[]): void {
    this.paths = paths;
  }
  fault(): string | undefined {
    return this.problem;
  }
  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

/** Waits until `look` finds something; fails after ten seconds. */
async function eventually<T>(look: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const found = look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not within ten seconds: ${String(look)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until a replica would get requests. */
async function untilReady(httpPort: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while ((await fetch(`http://127.0.0.1:${httpPort}/readyz`)).status !== 200) {
    if (Date.now() > deadline) throw new Error('not ready within ten seconds');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const POD: Pod = {
  metadata: {
    name: 'db-0',
    namespace: 'shop',
    uid: 'u1',
    labels: { app: 'db', 'mesh.dev/injected': 'native', 'mesh.dev/service': 'db' },
  },
  spec: memberSpec('db', 'database'),
  status: { phase: 'Running', podIP: '10.1.1.1', conditions: [{ type: 'Ready', status: 'True' }] },
};

describe('the operator, whole, against an API server', () => {
  let fake: FakeApiServer;
  let log: FakeLog;
  let clock: Clock;
  const running: RunningOperator[] = [];
  const webhooks: FakeWebhooks[] = [];

  async function start(
    env: Record<string, string> = {},
    onLostLease: () => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<RunningOperator> {
    const config = readConfig({
      MESH_NAMESPACE: 'mesh',
      POD_NAME: `mesh-operator-${running.length}`,
      MESH_SIDECAR_IMAGE: 'mesh-sidecar:test',
      MESH_HTTPS_PORT: '0',
      MESH_HTTP_PORT: '0',
      ...env,
    });
    const deps = {
      ...{ config, api: fake.api, clock, log, replicas: { onLostLease } },
      webhooks: () => {
        webhooks.push(new FakeWebhooks());
        return webhooks.at(-1);
      },
      processMetrics: false,
      lingerMs: 0,
    };
    const operator = await startOperator(deps, signal);
    running.push(operator);
    return operator;
  }

  beforeEach(async () => {
    fake = await FakeApiServer.started();
    log = new FakeLog();
    clock = systemClock;
  });

  afterEach(async () => {
    for (const operator of running.splice(0)) await operator.stop();
    webhooks.length = 0;
    await fake.close();
  });

  test('machines outside have a port of their own where they may join; otherwise nobody looks for any', async () => {
    const closed = await start();
    expect(closed.outsidePort).toBeUndefined();
    const outside: Pod = {
      metadata: {
        ...{ name: 'db-1', namespace: 'shop', uid: 'u2' },
        labels: { 'mesh.dev/injected': 'native', 'mesh.dev/service': 'db', 'mesh.dev/run': 'true' },
      },
      spec: registrationSpec('db'),
      status: { phase: 'Running', podIP: '203.0.113.7' },
    };
    fake.put(PODS, outside);
    fake.put(PODS, POD);
    const leaseAsked = () => fake.requests.some(({ path }) => path.endsWith('/leases/db-1'));
    const bound = () =>
      fake
        .find(ROLE_BINDINGS, { name: 'mesh-sidecar', namespace: 'shop' })
        ?.subjects?.map(({ name }) => name);
    await eventually(() => fake.find(MESH_SERVICES, { name: 'db', namespace: 'shop' }));
    await eventually(bound);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(leaseAsked()).toBe(false);
    expect(bound()).toEqual(['database']);
    await closed.stop();
    const open = await start({ MESH_OUTSIDE_PORT: '0' });
    expect(open.outsidePort).toBeGreaterThan(0);
    await eventually(leaseAsked);
    await eventually(() => bound()?.includes('db'));
  }, 60_000);

  test('a pod with labels by hand that admission never saw gives its account no right, and owns no service', async () => {
    await start();
    fake.put(PODS, {
      ...POD,
      metadata: { ...POD.metadata, name: 'by-hand', annotations: { 'mesh/inject': 'false' } },
      spec: { serviceAccountName: 'thief', containers: [{ name: 'app' }] },
    });
    const labels = { ...POD.metadata.labels, 'mesh.dev/service': 'web' };
    const web = { ...POD.metadata, name: 'web-0', uid: 'u2', labels };
    fake.put(PODS, { ...POD, metadata: web, spec: memberSpec('web') });
    await eventually(() => fake.find(MESH_SERVICES, { name: 'web', namespace: 'shop' }));
    const bound = () => fake.find(ROLE_BINDINGS, { name: 'mesh-sidecar', namespace: 'shop' })?.subjects;
    await eventually(bound);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(bound()?.map(({ name }) => name)).toEqual(['web']);
    expect(fake.find(MESH_SERVICES, { name: 'db', namespace: 'shop' })).toBeUndefined();
  });

  test('a fresh install: root, MeshConfig with roots and written-out scope, webhooks, lease', async () => {
    fake.put(CLUSTER_ROLES, { metadata: { name: 'mesh-operator', uid: 'role-uid' } });
    const operator = await start({
      MESH_OWNER_CLUSTERROLE: 'mesh-operator',
      MESH_CONFIG: '{"leafTTL":"1h"}',
    });
    const config = await eventually(() => {
      const found = fake.find(MESH_CONFIGS, { name: 'mesh' });
      return found?.status?.roots ? found : undefined;
    });
    expect(config.spec).toEqual({ trustDomain: 'cluster.local', datacenter: 'dc1', leafTTL: '1h' });
    expect(config.metadata.ownerReferences).toEqual([
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        name: 'mesh-operator',
        uid: 'role-uid',
      },
    ]);
    expect(config.status?.roots?.map(({ active }) => active)).toEqual([true]);
    expect(config.status?.conditions).toMatchObject([
      { type: 'Accepted', status: 'True' },
      { type: 'AuthorityReady', status: 'True' },
      { type: 'NextAuthorityReady', status: 'True' },
      { type: 'CertificatesFresh', status: 'True' },
    ]);

    const root = fake.find(SECRETS, { name: 'mesh-ca', namespace: 'mesh' })?.data?.['root.crt'];
    const mutating = await eventually(() => fake.find(MUTATING_WEBHOOKS, { name: 'mesh' }));
    expect(mutating.webhooks?.map(({ name, failurePolicy }) => [name, failurePolicy])).toEqual([
      ['pods.inject.mesh.dev', 'Fail'],
      ['namespaces.inject.mesh.dev', 'Fail'],
    ]);
    expect(
      Buffer.from(mutating.webhooks?.[0]?.clientConfig.caBundle ?? '', 'base64')
        .toString()
        .trim(),
    ).toBe(
      Buffer.from(root ?? '', 'base64')
        .toString()
        .trim(),
    );
    const validating = await eventually(() => fake.find(VALIDATING_WEBHOOKS, { name: 'mesh' }));
    expect(validating.metadata.ownerReferences?.[0]?.uid).toBe('role-uid');
    expect(fake.find(LEASES, { name: 'mesh-operator', namespace: 'mesh' })?.spec?.holderIdentity).toMatch(
      /^mesh-operator-0_/,
    );
    expect(operator.isLeader()).toBe(true);
  });

  test('two replicas share one root; one leads, both serve; the other takes over at once', async () => {
    const [one, two] = await Promise.all([start(), start({ POD_NAME: 'mesh-operator-b' })]);
    expect(one.rootsPem()).toBe(two.rootsPem());
    await eventually(() => one.isLeader() !== two.isLeader());
    for (const operator of [one, two])
      expect(await post(operator, '/v1/sign')).toMatchObject({ status: 401 });
    const [leader, other] = one.isLeader() ? [one, two] : [two, one];
    await leader.stop();
    await eventually(() => other.isLeader());
  });

  test('health, readiness and metrics are served in plain; unknown paths are not', async () => {
    const { httpPort } = await start();
    const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${httpPort}${path}`);
    expect((await get('/healthz')).status).toBe(200);
    await eventually(() => log.lines.some(({ message }) => message === 'registered with the API server'));
    const ready = await get('/readyz');
    expect([ready.status, await ready.text()]).toEqual([
      200,
      'ok      start\nok      caches\nok      serving certificate\nok      webhooks\n',
    ]);
    const metrics = await (await get('/metrics')).text();
    expect(metrics).toContain('mesh_operator_leader 1');
    expect(metrics).toMatch(/mesh_root_expiry_timestamp_seconds\{root="[0-9a-f]{12}",active="true"\} \d+/);
    expect(metrics).toContain('mesh_operator_cache_objects{kind="MeshConfig"} 1');
    expect((await get('/v1/sign')).status).toBe(404);
    expect((await get('/')).headers.get('x-powered-by')).toBeNull();
  });

  test('the webhooks get their paths and every new certificate; the replica is ready only with them, and closes them at its end', async () => {
    const operator = await start();
    const [own] = webhooks;
    const ready = () => fetch(`http://127.0.0.1:${operator.httpPort}/readyz`).then((answer) => answer.text());
    await eventually(() => own?.paths.length === 3);
    const registered = [MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS].flatMap((type) =>
      (fake.find(type, { name: 'mesh' })?.webhooks ?? []).map(
        ({ clientConfig }) => clientConfig.service?.path,
      ),
    );
    expect(own?.paths.map(({ path }) => path).sort()).toEqual([...new Set(registered)].sort());
    // As the API server requires: every segment a DNS subdomain.
    for (const path of registered) expect(path).toMatch(/^\/[0-9a-f]{64}(\/[a-z]([-a-z]*[a-z])?)+$/);
    expect(operator.webhookPort()).toBe(9443);
    await eventually(() => log.lines.some(({ message }) => message === 'registered with the API server'));
    expect(await ready()).toContain('ok      webhooks');
    own!.problem = 'it does not listen';
    expect(await ready()).toContain('not ok  webhooks: it does not listen');
    await operator.stop();
    expect(own?.isClosed).toBe(true);
  });

  test('a replica that has not heard of the registration is not ready, so that no call meets paths it does not know', async () => {
    fake.intercept = ({ method, path }) =>
      method === 'POST' && path.endsWith('webhookconfigurations')
        ? new Refused(403, 'Forbidden', 'not yet')
        : undefined;
    const operator = await start();
    const ready = () => fetch(`http://127.0.0.1:${operator.httpPort}/readyz`);
    await eventually(() => fake.find(MESH_CONFIGS, { name: 'mesh' })?.status?.roots);
    expect(await (await ready()).text()).toContain('not ok  webhooks: the webhooks are not registered yet');
    fake.intercept = undefined;
    await untilReady(operator.httpPort);
  });

  test('paths are renewed on request, and nothing that the operator says has any of them', async () => {
    const operator = await start();
    await eventually(() => webhooks[0]?.paths.length === 3);
    const before = webhooks[0]!.paths.map(({ path }) => path);
    const metadata = { annotations: { 'mesh.dev/renew-webhook-paths': 'leaked' } };
    await fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { metadata });
    await eventually(() => webhooks[0]?.paths.length === 6);
    const { metrics } = {
      metrics: await (await fetch(`http://127.0.0.1:${operator.httpPort}/metrics`)).text(),
    };
    const events = JSON.stringify(fake.objects(EVENTS));
    const said = JSON.stringify(log.lines) + metrics + events + JSON.stringify(fake.objects(MESH_CONFIGS));
    for (const { path } of webhooks[0]!.paths) expect(said).not.toContain(path.split('/')[1]);
    expect(webhooks[0]!.paths.map(({ path }) => path)).toEqual(expect.arrayContaining(before));
  });

  test('not ready while a kind of object cannot be read, and says which', async () => {
    fake.failNext(403, 1000, undefined, ({ path }) => path.includes('/intentions'));
    const { httpPort } = await start();
    const response = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.text()).toContain('not ok  caches: not read yet:');
  });

  test('an API server that is away at the start is waited for: alive, not ready, then ready', async () => {
    await fake.stop();
    const starting = new AbortController();
    const httpPort = 20_000 + Math.floor(Math.random() * 10_000);
    const started = start({ MESH_HTTP_PORT: String(httpPort) }, undefined, starting.signal);
    const status = (path: string): Promise<number> =>
      fetch(`http://127.0.0.1:${httpPort}${path}`).then((response) => response.status);
    await eventually(() => log.lines.some(({ message }) => message.startsWith('cannot ask the API server')));
    expect([await status('/healthz'), await status('/readyz')]).toEqual([200, 503]);
    await fake.start();
    await started;
    await untilReady(httpPort);
  });

  test('told to end while it waits for the API server, it ends', async () => {
    await fake.stop();
    const starting = new AbortController();
    const started = start({}, undefined, starting.signal);
    await eventually(() => log.lines.length > 0);
    starting.abort(new Error('told to end'));
    await expect(started).rejects.toThrow('told to end');
  });

  test('an authority whose Secret is deleted is told in the log, the metrics and the MeshConfig', async () => {
    const minute = 60_000;
    clock = {
      ...systemClock,
      setTimeout: (fn, ms) => systemClock.setTimeout(fn, ms === minute ? 50 : ms),
    };
    const { httpPort } = await start();
    const ready = (): string | undefined =>
      fake
        .find(MESH_CONFIGS, { name: 'mesh' })
        ?.status?.conditions?.find(({ type }) => type === 'AuthorityReady')?.status;
    await eventually(() => ready() === 'True');
    fake.remove(SECRETS, { name: 'mesh-ca', namespace: 'mesh' });
    await eventually(() => ready() === 'False');
    const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
    expect(metrics).toContain('mesh_operator_authority_fault 1');
    expect(
      log.lines.filter(({ message }) => message === 'the certificate authority is in trouble'),
    ).toHaveLength(1);
  });

  test('a stored MeshConfig holds before the values of the chart', async () => {
    fake.put(MESH_CONFIGS, {
      metadata: { name: 'mesh', generation: 1 },
      spec: { trustDomain: 'corp.example', datacenter: 'eu' },
    });
    await start({ MESH_CONFIG: '{"trustDomain":"other.example"}' });
    const found = await eventually(() => {
      const config = fake.find(MESH_CONFIGS, { name: 'mesh' });
      return config?.status?.conditions ? config : undefined;
    });
    expect(found.spec).toMatchObject({ trustDomain: 'corp.example', datacenter: 'eu' });
    expect(found.status?.conditions?.[0]).toMatchObject({ type: 'Accepted', status: 'False' });
  });

  test('everything has ended while no operator ran: two start, and the mesh is well again by itself', async () => {
    const year = 365 * 24 * 3600 * 1000;
    const ended = await TestPki.create({ now: Date.now() - 11 * year });
    const { rootPem: certificatePem, rootKeyPem: keyPem } = ended;
    fake.put(SECRETS, caSecret('mesh', { certificatePem, keyPem }, undefined));
    fake.put(MESH_CONFIGS, {
      metadata: { name: 'mesh', generation: 1 },
      spec: {},
      status: { roots: [{ ...rootStatus(certificatePem), active: true }] },
    });
    const operators = await Promise.all([start(), start({ POD_NAME: 'mesh-operator-b' })]);
    for (const operator of operators) {
      expect(await post(operator, '/v1/sign')).toMatchObject({ status: 401 });
      await untilReady(operator.httpPort);
    }
    const { status } = fake.find(MESH_CONFIGS, { name: 'mesh' })!;
    expect(status?.roots?.map(({ active }) => active)).toEqual([false, true]);
    expect(status?.rotation).toMatchObject({ phase: 'Draining', reason: 'Ended' });
    const lines = log.lines.map(({ message }) => message);
    expect(lines).toContain('the certificate authority is in trouble');
    expect(lines).toContain('the old root had ended; the new one signs from now on');
    await eventually(() => {
      const [hook] = fake.find(MUTATING_WEBHOOKS, { name: 'mesh' })?.webhooks ?? [];
      const bundle = Buffer.from(hook?.clientConfig.caBundle ?? '', 'base64').toString();
      return bundle === operators[0].rootsPem();
    });
  });

  test('the key is gone: an operator starts, is not ready and says why, and a request puts a new root in the place of the old one', async () => {
    const { rootPem } = await TestPki.create();
    const lost = { ...rootStatus(rootPem), active: true };
    fake.put(MESH_CONFIGS, {
      metadata: { name: 'mesh', generation: 1 },
      spec: { leafTTL: '10s' },
      status: { roots: [lost] },
    });
    const httpPort = 20_000 + Math.floor(Math.random() * 10_000);
    const starting = start({ MESH_HTTP_PORT: String(httpPort) });
    const isFalse = ({ type, status }: { type: string; status: string }): boolean =>
      type === 'AuthorityReady' && status === 'False';
    const condition = await eventually(() =>
      fake.find(MESH_CONFIGS, { name: 'mesh' })?.status?.conditions?.find(isFalse),
    );
    expect(condition.message).toContain('Secret mesh/mesh-ca is gone, but workloads trust its root');
    const ready = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('ask for a rotation')]);
    expect(fake.find(SECRETS, { name: 'mesh-ca', namespace: 'mesh' })).toBeUndefined();
    const request = { ca: { rotation: { request: 'again' } } };
    await fake.api.mergePatch(MESH_CONFIGS, { name: 'mesh' }, { spec: request });
    const operator = await starting;
    expect(await post(operator, '/v1/sign')).toMatchObject({ status: 401 });
    const { status } = fake.find(MESH_CONFIGS, { name: 'mesh' })!;
    expect(status?.roots?.map(({ id, active }) => [id === lost.id, active])).toEqual([
      [true, false],
      [false, true],
    ]);
    await eventually(() =>
      fake
        .find(MESH_CONFIGS, { name: 'mesh' })
        ?.status?.conditions?.some((one) => one.type === 'AuthorityReady' && one.status === 'True'),
    );
  }, 60_000);

  test('a broken authority that nobody trusts yet stops the start with a sentence', async () => {
    fake.put(SECRETS, { metadata: { name: 'mesh-ca', namespace: 'mesh' }, data: {} });
    await expect(start()).rejects.toThrow(/Secret mesh\/mesh-ca is broken: its field root.crt is missing/);
  });

  test('when another takes the lease, the process is told to end', async () => {
    let lost = false;
    const operator = await start({}, () => (lost = true));
    await eventually(() => operator.isLeader());
    const lease = fake.find(LEASES, { name: 'mesh-operator', namespace: 'mesh' });
    fake.put(LEASES, {
      ...lease,
      metadata: { name: 'mesh-operator', namespace: 'mesh' },
      spec: { holderIdentity: 'thief', leaseDurationSeconds: 15, leaseTransitions: 7 },
    });
    await eventually(() => lost);
  });

  test('an old server: webhooks that stop nobody, and pods that missed injection are told', async () => {
    await fake.close();
    fake = await FakeApiServer.started({ version: '1.20' });
    const { httpPort } = await start();
    const mutating = await eventually(() => fake.find(MUTATING_WEBHOOKS, { name: 'mesh' }));
    expect(mutating.webhooks?.map(({ failurePolicy }) => failurePolicy)).toEqual(['Ignore', 'Ignore']);
    fake.put(PODS, {
      ...POD,
      metadata: { name: 'late', namespace: 'shop', annotations: { 'mesh/inject': 'true' } },
      spec: { containers: [{ name: 'app' }] },
    });
    const event = await eventually(() => fake.objects(EVENTS).find(({ reason }) => reason === 'NotInjected'));
    expect(event.involvedObject.name).toBe('late');
    expect(await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text()).toContain(
      'mesh_operator_missed_injections 1',
    );
  });

  async function post(operator: RunningOperator, path: string): Promise<{ status: number; body: unknown }> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        {
          host: '127.0.0.1',
          port: operator.httpsPort,
          path,
          method: 'POST',
          ca: operator.rootsPem(),
          servername: 'mesh-operator.mesh.svc',
          agent: false,
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) }),
          );
        },
      );
      request.on('error', reject);
      request.end();
    });
  }
});
