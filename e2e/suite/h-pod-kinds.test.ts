import { eventually } from '../kit/eventually.ts';
import { apply, applyRefused, exec, getJson, kubectl } from '../kit/kubectl.ts';
import { readyPod, readyPods } from '../kit/pods.ts';
import {
  TOOLBOX_IMAGE,
  helloServer,
  idleClient,
  intention,
  namespace,
  podTemplate,
  service,
  workload,
} from '../kit/workload.ts';

const NS = 'e2e-kinds';
const account = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name, namespace: NS },
});

describe('every kind of pod', () => {
  beforeAll(async () => {
    await apply(
      namespace(NS),
      ...helloServer({
        namespace: NS,
        name: 'db',
      }),
      intention({ namespace: NS, source: '*', destination: '*', action: 'allow' }),
    );
    await readyPod(NS, 'db');
  });

  afterAll(() => kubectl(['delete', 'namespace', NS, '--wait=false']));

  test('members of a StatefulSet reach each other by pod IP and by headless name', async () => {
    const options = {
      namespace: NS,
      name: 'ring',
      command: ['node', '/toolbox/tcp-server.mjs', '7000'],
      ports: [7000],
      headless: true,
    };
    await apply(account('ring'), service(options), {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'ring', namespace: NS },
      spec: {
        serviceName: 'ring',
        replicas: 2,
        selector: { matchLabels: { app: 'ring' } },
        template: podTemplate(options),
      },
    });
    const pods = await readyPods(NS, 'ring', 2);
    const first = { namespace: NS, name: 'ring-0', container: 'ring' };
    const otherIp = pods.find(({ metadata }) => metadata.name === 'ring-1')?.status.podIP ?? '';
    for (const host of [`ring-1.ring.${NS}.svc.cluster.local`, 'ring', otherIp]) {
      await eventually(`ring-0 reaches ${host}`, async () => {
        const { stdout, stderr, code } = await exec(first, ['node', '/toolbox/try.mjs', host, '7000']);
        if (code === 0) return true;
        throw new Error(stdout + stderr);
      });
    }
  });

  test('a Job that calls a meshed service finishes', async () => {
    await apply(account('once'), {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'once', namespace: NS },
      spec: { backoffLimit: 0, template: jobTemplate('once') },
    });
    await jobSucceeded('once');
  });

  test('a CronJob that calls a meshed service finishes', async () => {
    // CronJob moved from batch/v1beta1 to batch/v1 in Kubernetes 1.21.
    const served = await kubectl(['get', '--raw', '/apis/batch/v1']);
    await apply(account('daily'), {
      apiVersion: served.includes('"cronjobs"') ? 'batch/v1' : 'batch/v1beta1',
      kind: 'CronJob',
      metadata: { name: 'daily', namespace: NS },
      spec: {
        schedule: '* * * * *',
        jobTemplate: { spec: { backoffLimit: 0, template: jobTemplate('daily') } },
      },
    });
    // Kubernetes itself starts it, at the next full minute.
    await eventually(
      'a run of the CronJob succeeds',
      async () => {
        const jobs = await getJson<{
          items: { metadata: { name: string }; status: { succeeded?: number } }[];
        }>(['jobs', '-n', NS]);
        return (
          jobs?.items.some(
            ({ metadata, status }) => metadata.name.startsWith('daily-') && status.succeeded === 1,
          ) || undefined
        );
      },
      { timeoutMs: 150_000, everyMs: 1000 },
    );
  });

  test('an init container has the network before the application starts', async () => {
    await apply(
      ...idleClient({
        namespace: NS,
        name: 'init',
        pod: {
          initContainers: [
            // Asks the API server, which is in no mesh, by TCP.
            {
              name: 'network',
              image: TOOLBOX_IMAGE,
              imagePullPolicy: 'Never',
              command: ['sh', '-c', 'curl -sk -m 5 -o /dev/null https://kubernetes.default.svc/version'],
            },
          ],
        },
      }),
    );
    await readyPod(NS, 'init');
  });

  test.each([
    ['http', { httpGet: { path: '/', port: 'web' } }],
    ['tcp', { tcpSocket: { port: 8080 } }],
    ['exec', { exec: { command: ['curl', '-sf', 'http://127.0.0.1:8080/'] } }],
  ])('%s probes work under strict mutual TLS', async (kind, probe) => {
    const name = `probe-${kind}`;
    const probes = {
      readinessProbe: { ...probe, periodSeconds: 1 },
      livenessProbe: { ...probe, periodSeconds: 1, failureThreshold: 2 },
      startupProbe: { ...probe, periodSeconds: 1, failureThreshold: 30 },
    };
    await apply(
      ...workload({
        namespace: NS,
        name,
        command: ['node', '/example/hello.mjs', 'server'],
        container: { ports: [{ name: 'web', containerPort: 8080 }], ...probes },
      }),
    );
    const pod = await readyPod(NS, name);
    // Long enough for a liveness probe that always fails to restart the container.
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const after = await readyPod(NS, name);
    expect(after.name).toBe(pod.name);
    const statuses = await getJson<{ status: { containerStatuses: { restartCount: number }[] } }>([
      'pod',
      pod.name,
      '-n',
      NS,
    ]);
    expect(statuses?.status.containerStatuses.map(({ restartCount }) => restartCount)).toEqual([0, 0]);
  });

  test('a probe that fails is seen to fail', async () => {
    await apply(
      ...workload({
        namespace: NS,
        name: 'sick',
        command: ['node', '/example/hello.mjs', 'server'],
        container: { readinessProbe: { tcpSocket: { port: 9999 }, periodSeconds: 1 } },
      }),
    );
    await eventually(
      'the sidecar is ready and the application is not',
      async () => {
        const { items } = (await getJson<{
          items: { status: { containerStatuses?: { name: string; ready: boolean }[] } }[];
        }>(['pods', '-n', NS, '-l', 'app=sick'])) ?? { items: [] };
        const ready = Object.fromEntries(
          (items[0]?.status.containerStatuses ?? []).map(({ name, ready }) => [name, ready]),
        );
        return ready['mesh-sidecar'] === true && ready['sick'] === false ? true : undefined;
      },
      { timeoutMs: 120_000 },
    );
  });

  test('two services in one pod are refused with a clear message', async () => {
    const pod = podTemplate({
      namespace: NS,
      name: 'two',
      command: ['sleep', 'infinity'],
      serviceAccount: 'db',
      annotations: { 'mesh/service': 'db,web' },
    });
    const refusal = await applyRefused({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...pod.metadata, name: 'two', namespace: NS },
      spec: pod.spec,
    });
    expect(refusal).toMatch(/mesh\/service/);
    expect(refusal).toMatch(/one pod .*one service/i);
  });

  test('where the namespace asks for the mesh, a pod that cannot join runs without it, with an Event', async () => {
    const asking = `${NS}-asking`;
    const pod = podTemplate({
      namespace: asking,
      name: 'host',
      command: ['sleep', 'infinity'],
      serviceAccount: 'host',
      meshed: false,
      pod: { hostNetwork: true },
    });
    const metadata = { name: 'host', namespace: asking };
    await apply(namespace(asking, { 'mesh/inject': 'true' }));
    try {
      await apply(
        { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { ...pod.metadata, ...metadata },
          spec: pod.spec,
        },
      );
      await readyPod(asking, 'host');
      await eventually('the Event is there', async () => {
        const events = await kubectl([
          'get',
          'events',
          '-n',
          asking,
          '--field-selector',
          'involvedObject.name=host',
        ]);
        return events.includes('LeftOutOfMesh') ? true : undefined;
      });
    } finally {
      await kubectl(['delete', 'namespace', asking, '--wait=false']);
    }
  });

  test('host network is refused with a reason', async () => {
    const pod = podTemplate({
      namespace: NS,
      name: 'host',
      command: ['sleep', 'infinity'],
      serviceAccount: 'db',
      pod: { hostNetwork: true },
    });
    const refusal = await applyRefused({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...pod.metadata, name: 'host', namespace: NS },
      spec: pod.spec,
    });
    expect(refusal).toMatch(/hostNetwork/);
  });
});

function jobTemplate(name: string): object {
  const template = podTemplate({
    namespace: NS,
    name,
    command: [
      'sh',
      '-c',
      'for i in 1 2 3 4 5; do curl -sf -m 3 http://db:8080/ && exit 0; sleep 1; done; exit 1',
    ],
  });
  return { metadata: template.metadata, spec: { ...template.spec, restartPolicy: 'Never' } };
}

function jobSucceeded(name: string): Promise<true> {
  return eventually(
    `job ${name} succeeds`,
    async () => {
      const job = await getJson<{ status: { succeeded?: number; failed?: number } }>(['job', name, '-n', NS]);
      if ((job?.status.failed ?? 0) > 0) throw new Error(`the job failed: ${JSON.stringify(job?.status)}`);
      return job?.status.succeeded === 1 ? true : undefined;
    },
    { timeoutMs: 120_000, everyMs: 500 },
  );
}
