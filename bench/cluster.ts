/**
 * `npm run bench:cluster`: what the mesh costs on a real cluster: injection, pod start, memory, latency. Needs the test cluster
 * with the mesh installed (`npm run demo -- --keep`, and `npx tsx e2e/images.ts toolbox`). What is compared is interleaved; medians and ratios are
 * printed as JSON, a line each.
 */
import { KubeClient } from '#kube/client/client.ts';
import { kubeconfig } from '#kube/cluster/kubeconfig.ts';
import { PODS } from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';

import { kubeconfigPath } from '../e2e/cluster/paths.ts';
import { eventually } from '../e2e/kit/eventually.ts';
import { apply, exec, execOk, kubectl } from '../e2e/kit/kubectl.ts';
import type { PodRef } from '../e2e/kit/kubectl.ts';
import { percentile } from '../e2e/kit/measure.ts';
import { MESH_NAMESPACE, installMesh } from '../e2e/kit/mesh.ts';
import { readyPod } from '../e2e/kit/pods.ts';
import { intention, namespace, podTemplate, workload } from '../e2e/kit/workload.ts';

const NS = 'bench';
const INJECTIONS = 200;
const STARTS = 7;

/** Asks 450 times on one connection and prints how long each took, the first fifty left out; run inside a pod. */
const REQUESTS = `
const http = require('http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const ask = (url) => new Promise((resolve, reject) => http.get(url, { agent }, (r) => { r.resume(); r.on('end', resolve); }).on('error', reject));
(async () => {
  const times = [];
  for (let i = 0; i < 450; i++) {
    const started = performance.now();
    await ask(process.argv[1]);
    if (i >= 50) times.push(performance.now() - started);
  }
  console.log(JSON.stringify(times));
  agent.destroy();
})();
`;

await installMesh();
await apply(
  namespace(NS),
  ...workload({
    namespace: NS,
    name: 'db',
    command: ['node', '/example/hello.mjs', 'server'],
    ports: [8080],
  }),
  ...workload({
    namespace: NS,
    name: 'plain',
    command: ['node', '/example/hello.mjs', 'server'],
    ports: [8080],
    meshed: false,
  }),
  ...workload({ namespace: NS, name: 'web', command: ['sleep', 'infinity'] }),
  ...workload({ namespace: NS, name: 'outside', command: ['sleep', 'infinity'], meshed: false }),
  intention({ namespace: NS, source: 'web', destination: 'db', action: 'allow' }),
);
const [db, web, outside] = [
  await readyPod(NS, 'db'),
  await readyPod(NS, 'web'),
  await readyPod(NS, 'outside'),
];
await readyPod(NS, 'plain');
const client = new KubeClient({ config: await kubeconfig({ path: kubeconfigPath() }) });
try {
  print('injection, ms per pod creation', await injection());
  print('pod start to ready, seconds', await podStart());
  print('sidecar memory, MB', await memory({ ...db, container: 'mesh-sidecar' }));
  const operator = (
    await kubectl([
      'get',
      'pods',
      '-n',
      MESH_NAMESPACE,
      '-l',
      'app.kubernetes.io/name=mesh-operator',
      '-o',
      'jsonpath={.items[0].metadata.name}',
    ])
  ).trim();
  print(
    'operator memory, MB',
    await memory({ namespace: MESH_NAMESPACE, name: operator, container: 'operator' }),
  );
  print('requests on a kept connection, ms', await latency());
} finally {
  client.close();
  await kubectl(['delete', 'namespace', NS, '--wait=false']);
}

function print(name: string, figures: object): void {
  console.log(JSON.stringify({ name, ...figures }));
}

/** Creates and deletes Pods that no node will run, with and without the annotation, in turns. */
async function injection(): Promise<object> {
  const times = { meshed: [] as number[], plain: [] as number[] };
  for (let i = 0; i < INJECTIONS; i += 1) {
    for (const kind of ['meshed', 'plain'] as const) {
      const { metadata, spec } = podTemplate({
        namespace: NS,
        name: 'timed',
        command: ['true'],
        serviceAccount: 'web',
        meshed: kind === 'meshed',
      });
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...metadata, name: `timed-${kind}-${i}`, namespace: NS },
        spec: { ...spec, nodeSelector: { 'mesh.dev/nowhere': 'x' } },
      };
      const started = performance.now();
      await client.create(PODS, pod as unknown as Pod);
      times[kind].push(performance.now() - started);
      await client.delete(PODS, { namespace: NS, name: pod.metadata.name });
    }
  }
  return compare(times);
}

/** From creating a Pod to its readiness, with and without the mesh, in turns. */
async function podStart(): Promise<object> {
  const times = { meshed: [] as number[], plain: [] as number[] };
  for (let i = 0; i < STARTS; i += 1) {
    for (const kind of ['meshed', 'plain'] as const) {
      const name = `start-${kind}-${i}`;
      const { metadata, spec } = podTemplate({
        namespace: NS,
        name,
        command: ['sleep', 'infinity'],
        serviceAccount: 'web',
        meshed: kind === 'meshed',
      });
      const started = performance.now();
      await apply({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...metadata, name, namespace: NS },
        spec: { ...spec, terminationGracePeriodSeconds: 1 },
      });
      await eventually(
        `${name} is ready`,
        async () => {
          const pod = await client.get(PODS, { namespace: NS, name });
          return (
            pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ||
            undefined
          );
        },
        { everyMs: 20 },
      );
      times[kind].push((performance.now() - started) / 1000);
      await kubectl(['delete', 'pod', name, '-n', NS, '--wait=false']);
    }
  }
  return compare(times);
}

/** What the kernel says of the container's first process: resident, its share of what is shared, and what is its own. */
async function memory(pod: PodRef): Promise<object> {
  const text = await execOk(pod, [
    'node',
    '-e',
    "process.stdout.write(require('fs').readFileSync('/proc/1/smaps_rollup','utf8'))",
  ]);
  const megabytes = (field: string): number =>
    Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? NaN) / 102.4) / 10;
  return {
    resident: megabytes('Rss'),
    proportional: megabytes('Pss'),
    private: Math.round((megabytes('Private_Clean') + megabytes('Private_Dirty')) * 10) / 10,
    privateDirty: megabytes('Private_Dirty'),
  };
}

/** Two thousand requests one after another on one connection: through two sidecars, and without any, in turns. */
async function latency(): Promise<object> {
  const times = { meshed: [] as number[], plain: [] as number[] };
  for (let round = 0; round < 5; round += 1) {
    for (const [kind, pod, host] of [
      ['meshed', web, 'db'],
      ['plain', outside, 'plain'],
    ] as const) {
      const { stdout } = await exec(pod, ['node', '-e', REQUESTS, `http://${host}:8080/`]);
      times[kind].push(...(JSON.parse(stdout) as number[]));
    }
  }
  return compare(times);
}

function compare({
  meshed,
  plain,
}: {
  readonly meshed: readonly number[];
  readonly plain: readonly number[];
}): object {
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  const at = (values: readonly number[]): object => ({
    p50: round(percentile(values, 50)),
    p99: round(percentile(values, 99)),
  });
  return {
    meshed: at(meshed),
    plain: at(plain),
    addedP50: round(percentile(meshed, 50) - percentile(plain, 50)),
    ratioOfMedians: round(percentile(meshed, 50) / percentile(plain, 50)),
    samples: meshed.length,
  };
}
