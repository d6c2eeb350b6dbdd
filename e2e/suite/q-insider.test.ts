import { eventually } from '../kit/eventually.ts';
import { apply, exec, getJson, kubectl, tryKubectl } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { MESH_NAMESPACE } from '../kit/mesh.ts';
import { readyPod } from '../kit/pods.ts';
import { helloServer, idleClient, intention, namespace, podTemplate } from '../kit/workload.ts';

/** What a tenant with `edit` in a namespace can do to others, and to those of the same namespace. */

const SHOP = 'e2e-insider-shop';
const EVIL = 'e2e-insider-evil';

describe('a tenant', () => {
  let web: PodRef;
  let outsider: { readonly ip: string };

  const call = (url: string) =>
    exec(web, ['curl', '-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', url]);
  const answers = async (url: string): Promise<string> => {
    const { stdout, stderr } = await call(url);
    return stdout === '200' ? stdout : `${stdout} ${stderr}`;
  };
  /** Calls again and again, for as long as what was just made needs to reach every sidecar. */
  async function answersFor(seconds: number, url: string): Promise<readonly string[]> {
    const until = Date.now() + seconds * 1_000;
    const found = new Set<string>();
    while (Date.now() < until) found.add(await answers(url));
    return [...found];
  }
  const pod = (name: string, more: object) => {
    const { metadata, spec } = podTemplate({
      ...{ namespace: SHOP, name, meshed: false, labels: { app: 'db' }, serviceAccount: 'default' },
      command: ['sleep', 'infinity'],
      pod: more,
    });
    return { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name, namespace: SHOP }, spec };
  };

  beforeAll(async () => {
    await apply(
      ...[namespace(SHOP), namespace(EVIL)],
      ...idleClient({ namespace: SHOP, name: 'web' }),
      ...helloServer({ namespace: SHOP, name: 'db' }),
      ...helloServer({ namespace: SHOP, name: 'outsider', meshed: false }),
      ...helloServer({ namespace: EVIL, name: 'thief' }),
      intention({ namespace: SHOP, source: 'web', destination: 'db', action: 'allow' }),
    );
    web = await readyPod(SHOP, 'web');
    await Promise.all([readyPod(SHOP, 'db'), readyPod(EVIL, 'thief')]);
    outsider = await readyPod(SHOP, 'outsider');
    await eventually('web calls db', async () =>
      (await answers('http://db:8080/')) === '200' ? true : undefined,
    );
  }, 300_000);

  afterAll(async () => {
    await kubectl(['delete', 'namespace', SHOP, EVIL, '--wait=false']);
    await kubectl(['delete', 'intention', 'platform-says-no', '-n', MESH_NAMESPACE, '--ignore-not-found']);
  });

  test('captures no address with an EndpointSlice, of a pod outside of the mesh, of a service, or of the API server', async () => {
    const clusterIP = async (name: string, within: string): Promise<string> =>
      (await getJson<{ spec: { clusterIP: string } }>(['service', name, '-n', within]))?.spec.clusterIP ?? '';
    const [db, apiServer] = await Promise.all([clusterIP('db', SHOP), clusterIP('kubernetes', 'default')]);
    const versions = await kubectl(['api-versions']);
    const hasV1 = versions.split('\n').includes('discovery.k8s.io/v1');
    await apply(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'trap', namespace: EVIL },
        spec: { clusterIP: 'None', ports: [{ name: 'p', port: 8080 }] },
      },
      ...['thief', 'trap'].map((service) => ({
        apiVersion: hasV1 ? 'discovery.k8s.io/v1' : 'discovery.k8s.io/v1beta1',
        kind: 'EndpointSlice',
        metadata: {
          name: `${service}-by-hand`,
          namespace: EVIL,
          labels: {
            'kubernetes.io/service-name': service,
            'service.kubernetes.io/headless': '',
            'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
          },
        },
        addressType: 'IPv4',
        ports: [{ name: 'p', port: 8080, protocol: 'TCP' }],
        endpoints: [{ addresses: [outsider.ip, db, apiServer], conditions: { ready: true } }],
      })),
    );
    expect(await answersFor(5, `http://${outsider.ip}:8080/`)).toEqual(['200']);
    expect(await answersFor(2, `http://${db}:8080/`)).toEqual(['200']);
    const direct = await call(`https://${apiServer}/version`);
    // The certificate is the API server's own, which curl does not know.
    expect(direct.stderr).toMatch(/certificate/i);
  });

  test('takes nobody’s service away with a pod of its labels, neither with one that never runs nor with one that is ready', async () => {
    await apply(pod('waiting', { nodeSelector: { 'mesh.dev/nowhere': 'x' } }));
    expect(await answersFor(5, 'http://db:8080/')).toEqual(['200']);
    await apply(pod('ready', {}));
    await eventually('the pod without a sidecar is one of the endpoints', async () => {
      const endpoints = await kubectl(['get', 'endpoints', 'db', '-n', SHOP, '-o', 'json']);
      const { subsets = [] } = JSON.parse(endpoints) as { subsets?: { addresses?: object[] }[] };
      return subsets.flatMap(({ addresses = [] }) => addresses).length === 2 ? true : undefined;
    });
    expect(await answersFor(5, 'http://db:8080/')).toEqual(['200']);
    const service = await getJson<{ status: { virtualIPs: string[] } }>(['meshservice', 'db', '-n', SHOP]);
    expect(service?.status.virtualIPs).toHaveLength(1);
  });

  test('does not undo what the platform denies', async () => {
    await apply({
      apiVersion: 'mesh.dev/v1alpha1',
      kind: 'Intention',
      metadata: { name: 'platform-says-no', namespace: MESH_NAMESPACE },
      spec: {
        source: { service: 'web', namespace: SHOP },
        destination: { service: '*', namespace: '*' },
        action: 'deny',
        override: true,
      },
    });
    await eventually('the platform’s rule counts', async () =>
      (await answers('http://db:8080/')) === '200' ? undefined : true,
    );
    await kubectl(['delete', 'intention', 'platform-says-no', '-n', MESH_NAMESPACE]);
    await eventually('the tenant’s rule counts again', async () =>
      (await answers('http://db:8080/')) === '200' ? true : undefined,
    );
  });

  test('writes no catalog entry and no override', async () => {
    const tenant = ['--as', `system:serviceaccount:${SHOP}:tenant`];
    await kubectl([
      ...['create', 'rolebinding', 'tenant', '-n', SHOP],
      ...['--clusterrole=edit', `--serviceaccount=${SHOP}:tenant`],
    ]);
    for (const within of [SHOP, MESH_NAMESPACE]) {
      for (const verb of ['create', 'update', 'patch', 'delete']) {
        const can = ['auth', 'can-i', verb, 'catalogentries.mesh.dev', '-n', within, ...tenant];
        expect((await tryKubectl(can)).stdout.trim()).toBe('no');
      }
    }
    const override = { override: true, source: { service: 'web' }, destination: { service: 'db' } };
    const { stderr } = await tryKubectl(['apply', '-f', '-'], {
      input: JSON.stringify({
        ...intention({ namespace: SHOP, source: 'web', destination: 'db', action: 'allow' }),
        metadata: { name: 'mine', namespace: SHOP },
        spec: { ...override, action: 'allow' },
      }),
    });
    expect(stderr).toMatch(/spec\.override/);
  });
});
