import { eventually } from '../kit/eventually.ts';
import { apply, exec, execOk, kubectl } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { readyPod } from '../kit/pods.ts';
import { idleClient, namespace, workload } from '../kit/workload.ts';

const NS = 'e2e-permissive';
const meshService = (mtls: 'strict' | 'permissive'): object => ({
  apiVersion: 'mesh.dev/v1alpha1',
  kind: 'MeshService',
  metadata: { name: 'db', namespace: NS },
  spec: { serviceAccounts: ['db'], mtls },
});

describe('migration', () => {
  let db: PodRef & { readonly ip: string };
  let outsider: PodRef;

  beforeAll(async () => {
    await apply(
      namespace(NS),
      meshService('permissive'),
      ...workload({
        namespace: NS,
        name: 'db',
        command: ['node', '/toolbox/tcp-server.mjs', '7000'],
        ports: [7000],
      }),
      ...idleClient({ namespace: NS, name: 'outsider', meshed: false }),
    );
    db = await readyPod(NS, 'db');
    outsider = await readyPod(NS, 'outsider');
  });

  afterAll(() => kubectl(['delete', 'namespace', NS, '--wait=false']));

  const plaintext = (wanted: number): Promise<true> =>
    eventually(`plaintext ${wanted === 0 ? 'is taken' : 'is refused'}`, async () => {
      const { code } = await exec(outsider, ['node', '/toolbox/try.mjs', db.ip, '7000']);
      return code === wanted || undefined;
    });

  test('permissive takes plaintext and counts it; strict refuses it', async () => {
    await plaintext(0);
    const metrics = await execOk(outsider, ['curl', '-sf', `http://${db.ip}:15020/metrics`]);
    expect(metrics).toMatch(/^mesh_connections_opened_total\{[^}]*security="plaintext"[^}]*\} [1-9]/m);

    await apply(meshService('strict'));
    await plaintext(1);
  });
});
