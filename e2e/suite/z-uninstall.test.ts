import { eventually } from '../kit/eventually.ts';
import { apply, getJson, kubectl, tryKubectl } from '../kit/kubectl.ts';
import { MESH_NAMESPACE, installMesh, uninstallMesh } from '../kit/mesh.ts';
import { readyPod } from '../kit/pods.ts';
import { idleClient, intention, namespace, podTemplate, workload } from '../kit/workload.ts';

const NS = 'e2e-uninstall';

describe('helm uninstall mesh', () => {
  afterAll(async () => {
    await kubectl(['delete', 'namespace', NS, '--wait=false']);
    await kubectl(['delete', 'namespace', MESH_NAMESPACE, '--ignore-not-found', '--timeout=60s']);
  });

  test('leaves no webhook, resource definition, binding or Secret, and pods keep starting', async () => {
    await apply(
      namespace(NS),
      ...workload({
        namespace: NS,
        name: 'db',
        command: ['node', '/toolbox/tcp-server.mjs', '7000'],
        ports: [7000],
      }),
      intention({ namespace: NS, source: '*', destination: 'db', action: 'allow' }),
    );
    await readyPod(NS, 'db');
    const withMesh = await plainPod();

    await uninstallMesh();

    // What the mesh was not asked for it had left alone, byte for byte.
    expect(await plainPod()).toBe(withMesh);

    for (const kind of ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations']) {
      expect(await getJson([kind, 'mesh'])).toBeUndefined();
    }
    await eventually(
      'everything the mesh made is gone',
      async () => {
        const left = [
          await kubectl(['get', 'crds', '-o', 'name']).then((text) =>
            text.split('\n').filter((name) => name.endsWith('.mesh.dev')),
          ),
          await kubectl(['get', 'clusterroles,clusterrolebindings', '-o', 'name']).then((text) =>
            text.split('\n').filter((name) => /\/mesh-/.test(name)),
          ),
          await kubectl(['get', 'rolebindings', '-A', '-o', 'name']).then((text) =>
            text.split('\n').filter((name) => /\/mesh-/.test(name)),
          ),
          await kubectl(['get', 'secrets,leases', '-n', MESH_NAMESPACE, '-o', 'name']).then((text) =>
            text.split('\n').filter((name) => /mesh-/.test(name) && !/token/.test(name)),
          ),
        ].flat();
        if (left.length > 0) throw new Error(`left: ${left.join(', ')}`);
        return true;
      },
      { timeoutMs: 60_000 },
    );

    // A new pod that still asks for the mesh starts, without a sidecar: the mesh is no longer there to refuse or to serve it.
    await apply(...idleClient({ namespace: NS, name: 'later' }));
    const later = await readyPod(NS, 'later');
    const { stdout } = await tryKubectl([
      'get',
      'pod',
      later.name,
      '-n',
      NS,
      '-o',
      'jsonpath={.spec.containers[*].name}',
    ]);
    expect(stdout).toBe('later');
    // Namespaces can be deleted: no finalizer waits for the mesh.
    await kubectl(['delete', 'namespace', NS, '--timeout=120s'], { timeoutMs: 130_000 });
    await apply(namespace(NS));
  });

  test('it can be installed again', async () => {
    await installMesh();
    await uninstallMesh();
  });
});

/** A Pod that does not ask for the mesh, as the API server would store it, without what differs from one request to the next. */
async function plainPod(): Promise<string> {
  const template = podTemplate({
    namespace: NS,
    name: 'plain',
    command: ['sleep', 'infinity'],
    serviceAccount: 'default',
    meshed: false,
  });
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    ...template,
    metadata: { ...template.metadata, name: 'plain', namespace: NS },
  };
  const text = await kubectl(['create', '--dry-run=server', '-o', 'json', '-f', '-'], {
    input: JSON.stringify(pod),
  });
  const object = JSON.parse(text) as { metadata: Record<string, unknown> };
  for (const volatile of ['uid', 'creationTimestamp', 'managedFields']) delete object.metadata[volatile];
  return JSON.stringify(object).replace(/(default-token|kube-api-access)-[a-z0-9]+/g, '$1');
}
