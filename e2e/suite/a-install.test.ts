import { apply, getJson, kubectl, tryKubectl } from '../kit/kubectl.ts';
import { eventually } from '../kit/eventually.ts';
import { MESH_NAMESPACE, helm } from '../kit/mesh.ts';
import { readyPod } from '../kit/pods.ts';
import { intention, namespace, workload } from '../kit/workload.ts';

const NS = 'e2e-install';

describe('helm install mesh', () => {
  afterAll(() => kubectl(['delete', 'namespace', NS, '--wait=false', '--ignore-not-found']));

  test('the operator runs with two ready replicas and both webhooks are registered', async () => {
    const operator = await getJson<{ status: { readyReplicas: number } }>([
      'deployment',
      'mesh-operator',
      '-n',
      MESH_NAMESPACE,
    ]);
    expect(operator?.status.readyReplicas).toBe(2);
    await eventually('the webhooks are registered', async () => {
      const mutating = await getJson(['mutatingwebhookconfiguration', 'mesh']);
      const validating = await getJson(['validatingwebhookconfiguration', 'mesh']);
      return mutating && validating ? true : undefined;
    });
  });

  test('helm test passes', async () => {
    expect(await helm(['test', 'mesh', '--namespace', MESH_NAMESPACE])).toMatch(/Phase:\s+Succeeded/);
  });

  test('kubectl get intentions and meshservices print the designed columns', async () => {
    await apply(
      namespace(NS),
      ...workload({
        namespace: NS,
        name: 'db',
        command: ['node', '/toolbox/tcp-server.mjs', '7000'],
        ports: [7000],
      }),
      intention({ namespace: NS, source: 'web', destination: 'db', action: 'allow' }),
    );
    await readyPod(NS, 'db');
    const row = await eventually('the row is complete', async () => {
      const table = await kubectl(['get', 'intentions', '-n', NS]);
      const [header = '', line = ''] = table.split('\n');
      expect(header.split(/\s{2,}/)).toEqual([
        'NAME',
        'SOURCE',
        'ACTION',
        'DESTINATION',
        'PRECEDENCE',
        'ENFORCED',
        'AGE',
      ]);
      return /\s9\s/.test(line) ? line : undefined;
    });
    expect(row).toMatch(/^web-to-db\s+web\s+allow\s+db\s+9\s/);

    const wide = await kubectl(['get', 'ixn', '-n', NS, '-o', 'wide']);
    for (const column of ['HITS', 'LAST-USED', 'MODE']) expect(wide.split('\n')[0]).toContain(column);

    const service = await eventually('the MeshService shows its virtual IP and its instance', async () => {
      const { stdout } = await tryKubectl(['get', 'meshservices', '-n', NS]);
      return /^db\s.*10\.\d+\.\d+\.\d+/m.test(stdout) && /1/.test(stdout) ? stdout : undefined;
    });
    expect(service.split('\n')[0]).toMatch(/^NAME\s/);
    expect(await kubectl(['get', 'mesh', '-n', NS])).toContain('db');
  });

  test('kubectl explain intention.spec reads well', async () => {
    const text = await kubectl(['explain', 'intention.spec']);
    for (const field of ['action', 'destination', 'source', 'expiresAt', 'override', 'mode', 'description'])
      expect(text).toContain(field);
    expect(text).toContain('What happens to connections from source to destination');
    expect(await kubectl(['explain', 'intention.spec.source'])).toContain('every service');
  });

  test('the status says that the rule was accepted, and for which generation', async () => {
    const status = await eventually('the condition Accepted', async () => {
      const object = await getJson<{
        metadata: { generation: number };
        status?: {
          observedGeneration?: number;
          conditions?: { type: string; status: string; observedGeneration?: number }[];
        };
      }>(['intention', 'web-to-db', '-n', NS]);
      return object?.status?.observedGeneration === object?.metadata.generation ? object?.status : undefined;
    });
    expect(status.conditions).toContainEqual(expect.objectContaining({ type: 'Accepted', status: 'True' }));
  });
});
