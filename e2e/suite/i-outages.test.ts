import { startComponent, stopComponent } from '../kit/components.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, exec, kubectl } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { report } from '../kit/measure.ts';
import { MESH_NAMESPACE } from '../kit/mesh.ts';
import { scaleOperator } from '../kit/operators.ts';
import { readyPod, readyPods } from '../kit/pods.ts';
import { helloServer, idleClient, intention, namespace } from '../kit/workload.ts';

const NS = 'e2e-outages';
const rule = (action: 'allow' | 'deny'): Promise<string> =>
  apply(intention({ namespace: NS, source: 'web', destination: 'db', action }));

/**
 * The API server is away for `ms` milliseconds, and with it the controller manager: that one ends when it cannot renew its
 * lease. The test cluster's takes part in no election and would live on, take the node for lost after 40 s, and let no pod
 * count as ready for half a minute after the return.
 */
async function withoutControlPlane(ms: number): Promise<void> {
  await stopComponent('controller-manager');
  await stopComponent('apiserver');
  await new Promise((resolve) => setTimeout(resolve, ms));
  await startComponent('apiserver');
  await startComponent('controller-manager');
}

describe('parts of the mesh are gone', () => {
  let web: PodRef;

  beforeAll(async () => {
    await apply(
      namespace(NS),
      ...helloServer({
        namespace: NS,
        name: 'db',
      }),
      ...idleClient({ namespace: NS, name: 'web' }),
    );
    await rule('allow');
    web = await readyPod(NS, 'web');
    await readyPod(NS, 'db');
    await answers(true);
  });

  afterAll(async () => {
    await scaleOperator(2);
    await kubectl(['delete', 'namespace', NS, '--wait=false']);
  });

  const answers = (wanted: boolean): Promise<true> =>
    eventually(
      wanted ? 'web reaches db' : 'web is refused',
      async () =>
        ((await exec(web, ['curl', '-sf', '-m', '3', '-o', '/dev/null', 'http://db:8080/'])).code === 0) ===
          wanted || undefined,
    );

  test('without the operator traffic flows, allow and deny take effect, and new endpoints are found', async () => {
    await scaleOperator(0);
    await answers(true);
    await rule('deny');
    await answers(false);
    await rule('allow');
    await answers(true);

    const before = await readyPod(NS, 'db');
    await exec({ ...before, container: 'db' }, ['sh', '-c', 'kill -TERM 1']);
    await eventually('the application was restarted', async () => {
      const count = await kubectl([
        'get',
        'pod',
        before.name,
        '-n',
        NS,
        '-o',
        'jsonpath={.status.containerStatuses[?(@.name=="db")].restartCount}',
      ]);
      return Number(count) >= 1 ? true : undefined;
    });
    await answers(true);

    await scaleOperator(2);
    await kubectl(['scale', 'deployment/db', '-n', NS, '--replicas=2']);
    await readyPods(NS, 'db', 2);
    await answers(true);
  });

  test('without a control plane, and while it comes back, open and new connections go on with the last policy', async () => {
    // `kubectl exec` goes through the API server, so these two run on by themselves and write to files.
    const inPod = (name: string, command: string): Promise<unknown> =>
      exec(web, ['sh', '-c', `${command} >/tmp/${name} 2>&1 </dev/null &`]);
    const output = async (name: string): Promise<string> => (await exec(web, ['cat', `/tmp/${name}`])).stdout;
    await inPod('held', 'node /toolbox/hold.mjs db 8080 http');
    await inPod('load', 'node /toolbox/load.mjs http://db:8080/ 10 60');
    await eventually('both have begun', async () =>
      (await output('held')).includes('first-answer') && (await output('load')).includes('started')
        ? true
        : undefined,
    );

    await withoutControlPlane(40_000);

    const summary = await eventually(
      'the summary of the load',
      async () => (await output('load')).split('\n').find((line) => line.includes('"summary"')),
      { timeoutMs: 120_000, everyMs: 1000 },
    );
    expect(JSON.parse(summary)).toMatchObject({ failed: 0 });
    expect(await output('held')).not.toContain('"closed"');
    await eventually(
      'the API server is back',
      async () => ((await kubectl(['get', '--raw', '/readyz'])) === 'ok' ? true : undefined),
      { timeoutMs: 120_000 },
    );
  }, 240_000);

  test('a rule that is changed just after the API server is back takes effect within seconds, in every pod', async () => {
    // Either pod of db may answer.
    const series =
      'for i in 1 2 3 4 5 6 7 8; do curl -sf -m 3 -o /dev/null http://db:8080/ && exit 1; done; exit 0';
    await withoutControlPlane(15_000);
    await rule('deny');
    const denied = Date.now();
    await eventually(
      'no pod of db answers',
      async () => ((await exec(web, ['sh', '-c', series])).code === 0 ? true : undefined),
      { timeoutMs: 50_000 },
    );
    report('API server back to deny enforced, s', { seconds: (Date.now() - denied) / 1000 });
    await rule('allow');
    await answers(true);
  }, 180_000);

  test('sidecars and operator restart in any order', async () => {
    await kubectl(['rollout', 'restart', 'deployment/db', 'deployment/web', '-n', NS]);
    await kubectl(['rollout', 'restart', 'deployment/mesh-operator', '-n', MESH_NAMESPACE]);
    for (const name of ['db', 'web'])
      await kubectl(['rollout', 'status', `deployment/${name}`, '-n', NS, '--timeout=180s'], {
        timeoutMs: 190_000,
      });
    await kubectl(['rollout', 'status', 'deployment/mesh-operator', '-n', MESH_NAMESPACE, '--timeout=180s'], {
      timeoutMs: 190_000,
    });
    web = await readyPod(NS, 'web');
    await answers(true);
  }, 400_000);
});
