import { Background } from '../kit/background.ts';
import { eventually } from '../kit/eventually.ts';
import { apply, exec, kubectl } from '../kit/kubectl.ts';
import type { PodRef } from '../kit/kubectl.ts';
import { podsOf, readyPod, readyPods } from '../kit/pods.ts';
import { helloServer, idleClient, intention, namespace } from '../kit/workload.ts';

const NS = 'e2e-replicas';

interface Summary {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  readonly failures: readonly object[];
}

describe('many replicas of one service', () => {
  let web: PodRef;

  beforeAll(async () => {
    await apply(
      namespace(NS),
      ...helloServer({
        namespace: NS,
        name: 'db',
        container: { readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 } },
      }),
      ...idleClient({ namespace: NS, name: 'web' }),
      intention({ namespace: NS, source: 'web', destination: 'db', action: 'allow' }),
    );
    web = await readyPod(NS, 'web');
    await readyPods(NS, 'db');
    await works();
  });

  afterAll(() => kubectl(['delete', 'namespace', NS, '--wait=false']));

  const works = (): Promise<true> =>
    eventually('web reaches db', async () =>
      (await exec(web, ['curl', '-sf', '-m', '3', 'http://db:8080/'])).code === 0 ? true : undefined,
    );

  async function underLoad(change: () => Promise<void>): Promise<Summary> {
    const load = new Background(web, ['node', '/toolbox/load.mjs', 'http://db:8080/', '40']);
    try {
      await load.event('started');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await change();
      await new Promise((resolve) => setTimeout(resolve, 2000));
      load.write('stop\n');
      return (await load.event('summary')) as unknown as Summary;
    } finally {
      load.stop();
    }
  }

  test('a client pod needs no Service of its own', async () => {
    const { stdout } = await exec(web, ['curl', '-sf', 'http://db:8080/']);
    expect(stdout).toContain('hello from db-');
  });

  test('one rule covers five replicas, and all of them answer', async () => {
    await kubectl(['scale', 'deployment/db', '-n', NS, '--replicas=5']);
    await readyPods(NS, 'db', 5);
    const answered = new Set<string>();
    await eventually(
      'all five answer',
      async () => {
        answered.add((await exec(web, ['curl', '-sf', '-m', '3', 'http://db:8080/'])).stdout.trim());
        return answered.size >= 5 && !answered.has('') ? true : undefined;
      },
      { everyMs: 20 },
    );
    expect(answered.size).toBe(5);
  });

  test('a rolling restart under steady load loses no request', async () => {
    await kubectl(['scale', 'deployment/db', '-n', NS, '--replicas=2']);
    await readyPods(NS, 'db', 2);
    const summary = await underLoad(async () => {
      await kubectl(['rollout', 'restart', 'deployment/db', '-n', NS]);
      await kubectl(['rollout', 'status', 'deployment/db', '-n', NS, '--timeout=120s'], {
        timeoutMs: 130_000,
      });
      await eventually(
        'the old pods are gone',
        async () => ((await podsOf(NS, 'db')).length === 2 ? true : undefined),
        { timeoutMs: 60_000 },
      );
    });
    expect(summary).toMatchObject({ failed: 0, failures: [] });
    expect(summary.ok).toBe(summary.sent);
  });

  test('a pod of db killed without warning costs at most the requests in flight on it', async () => {
    await readyPods(NS, 'db', 2);
    const summary = await underLoad(async () => {
      const [victim] = await podsOf(NS, 'db');
      await kubectl(['delete', 'pod', victim?.metadata.name ?? '', '-n', NS, '--grace-period=0', '--force']);
      await new Promise((resolve) => setTimeout(resolve, 5000));
    });
    // 40 requests a second that take milliseconds each: at one moment hardly more than a few are in flight.
    expect(summary.failed).toBeLessThanOrEqual(3);
  });
});
