import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from '#base/testing/eventually.ts';
import { KubeClient } from '#kube/client/client.ts';
import { systemClock } from '#base/clock.ts';
import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import { freePort } from '#base/testing/free-port.fake.ts';
import { silentLog } from '#base/log.ts';
import {
  CLUSTER_ROLE_BINDINGS,
  INTENTIONS,
  LEASES,
  PODS,
  ROLE_BINDINGS,
  SERVICE_ACCOUNTS,
} from '#kube/types.ts';

import { MESH_NAMESPACE } from './names.ts';
import { CliError } from '../cli-error.ts';
import { joinMesh } from '../run/run.ts';
import type { Running } from '../run/run.ts';
import { startDev } from './dev.ts';
import type { Dev } from './dev.ts';

/** How long what is waited for may take here. */
const IN_TIME = { withinMs: 20_000 };

/** The whole mesh in this process: API server, operator, webhooks, and two services with the sidecars of pods. */
const options = {
  host: '127.0.0.1',
  port: 0,
  clock: systemClock,
  log: silentLog,
};
const forever = new AbortController().signal;
let dev: Dev;
let api: KubeClient;
let app: Server;
const said: string[] = [];

beforeAll(async () => {
  dev = await startDev({ ...options, folder: undefined });
  api = new KubeClient({ config: dev.api.admin });
  app = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
}, 60_000);
afterAll(async () => {
  api.close();
  app.close();
  await dev.stop();
}, 60_000);

const join_ = (
  service: string,
  more: object = {},
  cluster: ClusterConfig = dev.api.admin,
): Promise<Running> =>
  joinMesh(
    {
      namespace: 'default',
      service,
      port: undefined,
      upstreams: [],
      waitMs: 0,
      meshNamespace: MESH_NAMESPACE,
      ...more,
    },
    { cluster, clock: systemClock, say: (sentence) => void said.push(sentence) },
    forever,
  );

/** What an echo through a port says; undefined when it is refused or cut. */
const echo = (port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('hello'));
    socket.once('data', (data) => (resolve(data.toString()), socket.destroy()));
    socket.on('error', () => resolve(undefined)).on('close', () => resolve(undefined));
  });
const rule = (action: 'allow' | 'deny') =>
  api.apply(
    INTENTIONS,
    {
      metadata: { name: 'web-to-db', namespace: 'default' },
      spec: { source: { service: 'web' }, destination: { service: 'db' }, action },
    },
    'test',
  );

test('the operator leads without a lease, which a busy or sleeping machine would lose', async () => {
  expect(dev.operator.isLeader()).toBe(true);
  expect((await api.list(LEASES, { namespace: MESH_NAMESPACE })).items).toEqual([]);
});

test('a call is refused, allowed by an intention, and cut by another', async () => {
  const db = await join_('db', { port: (app.address() as AddressInfo).port });
  const port = await freePort();
  const web = await join_('web', { upstreams: [{ service: 'db', localPort: port }] });
  try {
    await eventually(
      async () =>
        (await api.get(PODS, { namespace: 'default', name: db.instance.pod })).status?.conditions?.[0]
          ?.status === 'True',
      IN_TIME,
    );
    expect(await echo(port)).toBeUndefined();
    expect(said.join('\n')).toContain('no intention matches and the default is deny');
    await rule('allow');
    await eventually(async () => (await echo(port)) === 'hello', IN_TIME);
    const open: Socket = connect(port, '127.0.0.1');
    const cut = new Promise((resolve) => open.on('error', () => undefined).once('close', resolve));
    await new Promise<void>((resolve) => {
      open.once('data', () => resolve());
      open.write('still here');
    });
    await rule('deny');
    await cut;
    expect(await echo(port)).toBeUndefined();
  } finally {
    await web.stop();
    await db.stop();
  }
  await eventually(async () => (await api.list(PODS, {})).items.length === 0, IN_TIME);
}, 60_000);

test('an intention that contradicts another is stored, and both say Conflicted until one is gone', async () => {
  const wanted = (name: string, action: 'allow' | 'deny') => ({
    metadata: { name, namespace: 'default' },
    spec: { source: { service: 'a' }, destination: { service: 'b' }, action },
  });
  const conflicted = async (name: string): Promise<string | undefined> => {
    const { status } = await api.get(INTENTIONS, { namespace: 'default', name });
    return status?.conditions?.find(({ type }) => type === 'Conflicted')?.status;
  };
  await api.create(INTENTIONS, wanted('first', 'allow'));
  await api.create(INTENTIONS, wanted('second', 'deny'));
  await eventually(
    async () => (await conflicted('first')) === 'True' && (await conflicted('second')) === 'True',
    IN_TIME,
  );
  await api.delete(INTENTIONS, { namespace: 'default', name: 'first' });
  await eventually(async () => (await conflicted('second')) === 'False', IN_TIME);
});

test("an override of the mesh's own namespace cuts what a namespace allows, and is refused in that namespace", async () => {
  const everyone = { service: '*', namespace: '*' };
  const guard = (namespace: string) => ({
    metadata: { name: 'guard', namespace },
    spec: { source: everyone, destination: everyone, action: 'deny' as const, override: true },
  });
  const db = await join_('db', { port: (app.address() as AddressInfo).port });
  const port = await freePort();
  const web = await join_('web', { upstreams: [{ service: 'db', localPort: port }] });
  try {
    await rule('allow');
    await eventually(async () => (await echo(port)) === 'hello', IN_TIME);
    await expect(
      api.create(INTENTIONS, {
        ...guard('default'),
        spec: { ...guard('default').spec, destination: { service: '*' } },
      }),
    ).rejects.toThrow("spec.override: true counts in the mesh's own namespace only");
    await api.create(INTENTIONS, guard(MESH_NAMESPACE));
    await eventually(async () => (await echo(port)) === undefined, IN_TIME);
    expect(said.join('\n')).toContain(`intention ${MESH_NAMESPACE}/guard (deny, override, precedence 11)`);
    await api.delete(INTENTIONS, { namespace: MESH_NAMESPACE, name: 'guard' });
    await eventually(async () => (await echo(port)) === 'hello', IN_TIME);
  } finally {
    await web.stop();
    await db.stop();
  }
}, 60_000);

test('the two roles that the chart has for it are enough, and a right that is missing is named', async () => {
  const name = 'laptop';
  await api.create(SERVICE_ACCOUNTS, { metadata: { name, namespace: 'default' } });
  const subjects = [{ kind: 'ServiceAccount', name, namespace: 'default' }];
  const roleRef = (role: string) => ({
    apiGroup: 'rbac.authorization.k8s.io',
    kind: 'ClusterRole',
    name: role,
  });
  const { server, caPem, tlsServerName = '' } = dev.api.admin;
  const token = () => Promise.resolve(dev.api.tokenOf('default', name));
  const asLaptop = () =>
    join_('billing', { port: (app.address() as AddressInfo).port }, { server, caPem, tlsServerName, token });
  await expect(asLaptop()).rejects.toThrow(/a right is missing: .*meshconfigs.*mesh-run-lookup/);
  const lookup = { metadata: { name }, roleRef: roleRef('mesh-run-lookup'), subjects };
  await api.create(CLUSTER_ROLE_BINDINGS, lookup);
  await expect(asLaptop()).rejects.toThrow(/a right is missing: .*cannot create resource "serviceaccounts"/);
  const inNamespace = { metadata: { name, namespace: 'default' }, roleRef: roleRef('mesh-run'), subjects };
  await api.create(ROLE_BINDINGS, inNamespace);
  const billing = await asLaptop();
  const at = { namespace: 'default', name: billing.instance.pod };
  await eventually(async () => (await api.get(PODS, at)).status?.conditions?.[0]?.status === 'True', IN_TIME);
  // The operator asks it at its own port, as in a rotation of the root.
  expect((await api.get(PODS, at)).metadata.annotations).toMatchObject({
    'mesh/inject': 'false',
    'mesh/sidecar-port': expect.stringMatching(/^[0-9]+$/) as string,
  });
  await billing.stop();
  await expect(api.get(PODS, at)).rejects.toThrow('not found');
}, 60_000);

test('an upstream that nobody is says how to start it', async () => {
  const joining = join_('web', { upstreams: [{ service: 'nobody', localPort: 19_999 }] });
  await expect(joining).rejects.toThrow('there is no service default/nobody in the mesh; start it, as a pod');
});

test('a namespace that is not there says how to make it', async () => {
  await expect(join_('web', { namespace: 'nowhere' })).rejects.toThrow('kubectl create namespace nowhere');
});

test('a second one on the same data, or the same port, says so', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-dev-test-'));
  const first = await startDev({ ...options, folder });
  try {
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of ['mesh.db', 'kubeconfig'])
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    await expect(startDev({ ...options, folder })).rejects.toThrow(
      `another mesh dev works with the data in ${folder}`,
    );
    const taken = startDev({ ...options, folder: undefined, port: first.api.port });
    await expect(taken).rejects.toThrow(`port ${first.api.port} of 127.0.0.1 is taken`);
    await expect(taken).rejects.toBeInstanceOf(CliError);
  } finally {
    await first.stop();
  }
  const again = await startDev({ ...options, folder });
  await again.stop();
  rmSync(folder, { recursive: true });
}, 60_000);
