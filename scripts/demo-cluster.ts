import { chooseBackend } from '../e2e/cluster/choose.ts';
import { kubeconfigPath } from '../e2e/cluster/paths.ts';
import { Steps } from '../e2e/cluster/steps.ts';
import { buildImages } from '../e2e/images.ts';
import { eventually } from '../e2e/kit/eventually.ts';
import { kubectl } from '../e2e/kit/kubectl.ts';
import { installMesh } from '../e2e/kit/mesh.ts';
import { readyPod } from '../e2e/kit/pods.ts';
import { clusterObstacle } from './machine.ts';

/**
 * The main job on a real cluster on this machine: installs the mesh, starts two services, and shows an intention allow and then
 * deny their traffic.
 *
 * @param keep leaves the cluster up to try things by hand
 * @returns the exit code
 */
export async function demoOnCluster(keep: boolean): Promise<number> {
  const obstacle = clusterObstacle();
  if (obstacle !== undefined) {
    console.error(`The demo cannot run here: ${obstacle}.`);
    return 1;
  }
  const steps = new Steps();
  const backend = await chooseBackend();
  const wasUp = (await backend.status()).up;
  try {
    await backend.up(steps);
    await buildImages(['operator', 'sidecar', 'examples'], steps);
    await show(steps);
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    if (keep || wasUp) {
      console.log(
        `\nThe cluster is still up:\n  export KUBECONFIG=${kubeconfigPath()}\n  npm run cluster -- down`,
      );
    } else {
      await backend.down(steps);
    }
  }
}

async function show(steps: Steps): Promise<void> {
  steps.say('helm install mesh charts/mesh');
  await installMesh();

  steps.say('kubectl apply -f examples/hello/hello.yaml   (web asks db once a second)');
  await kubectl(['delete', 'namespace', 'shop', '--ignore-not-found', '--timeout=60s']);
  await kubectl(['apply', '-f', 'examples/hello/hello.yaml']);
  await readyPod('shop', 'db');
  const web = await readyPod('shop', 'web');
  const said = async (pattern: RegExp): Promise<void> => {
    const since = new Date();
    const line = await eventually(`web says ${pattern.source}`, async () => {
      const lines = await kubectl([
        'logs',
        '-n',
        'shop',
        web.name,
        '-c',
        'web',
        `--since-time=${since.toISOString()}`,
      ]);
      return lines.split('\n').findLast((text) => pattern.test(text));
    });
    console.log(`        web: ${line}`);
  };

  steps.say('with no intention, nothing is allowed:');
  await said(/failed/);

  steps.say('kubectl apply -f examples/hello/allow.yaml');
  await kubectl(['apply', '-f', 'examples/hello/allow.yaml']);
  await said(/200/);
  console.log(indent(await kubectl(['get', 'intentions', '-n', 'shop'])));

  steps.say('kubectl apply -f examples/hello/deny.yaml');
  await kubectl(['apply', '-f', 'examples/hello/deny.yaml']);
  await said(/failed/);
  console.log(indent(await kubectl(['get', 'intentions', '-n', 'shop'])));

  steps.say('why? the sidecar of db says so:');
  const db = await readyPod('shop', 'db');
  const log = await kubectl(['logs', '-n', 'shop', db.name, '-c', 'mesh-sidecar', '--tail=200']);
  console.log(indent(log.split('\n').findLast((line) => line.includes('connection refused')) ?? ''));
  steps.say('done');
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, '        ');
}
