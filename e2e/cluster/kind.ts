import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { prefix } from './addresses.ts';
import type { ClusterBackend, ClusterStatus } from './backend.ts';
import { output, run } from './command.ts';
import { kubeconfigPath, logsDir, runDir } from './paths.ts';
import type { Steps } from './steps.ts';

const nodeImage = 'kindest/node:v1.34.0';
const node = `${prefix}-control-plane`;

/** Control plane components are static pods: the kubelet stops one when its manifest is gone. */
const staticPods: Record<string, string> = {
  etcd: 'etcd.yaml',
  apiserver: 'kube-apiserver.yaml',
  'controller-manager': 'kube-controller-manager.yaml',
  scheduler: 'kube-scheduler.yaml',
};
const units = ['kubelet', 'containerd'];

/**
 * A cluster in a container, by kind. NOT TRIED by its authors, whose machine has no container engine: it is kept to the few commands that
 * kind documents. The first run on a machine with Docker should check `up`, `load`, `stop apiserver` and `down`.
 * Pods and Services have no route from the host here; tests that need one run inside a pod.
 */
export class KindBackend implements ClusterBackend {
  readonly name = `kind (${nodeImage})`;
  readonly builder = 'docker';

  /** Whether kind can work here: a Docker engine that answers, kind itself, and its node image at hand or in reach. */
  static async works(): Promise<boolean> {
    const succeeds = async (program: string, ...args: string[]): Promise<boolean> =>
      (await run(program, args).catch(() => undefined))?.code === 0;
    if (!(await succeeds('docker', 'info')) || !(await succeeds('kind', 'version'))) return false;
    return (
      (await succeeds('docker', 'image', 'inspect', nodeImage)) ||
      succeeds('docker', 'manifest', 'inspect', nodeImage)
    );
  }

  async prepare(steps: Steps): Promise<void> {
    steps.say(`pulling ${nodeImage}`);
    await output('docker', ['pull', '--quiet', nodeImage]);
  }

  async up(steps: Steps): Promise<void> {
    if ((await this.status()).up) return steps.say('the cluster is up already');
    await this.down(steps);
    steps.say('creating the kind cluster');
    mkdirSync(runDir(), { recursive: true });
    const args = [
      'create',
      'cluster',
      '--name',
      prefix,
      '--image',
      nodeImage,
      '--kubeconfig',
      kubeconfigPath(),
      '--wait',
      '120s',
    ];
    await output('kind', args, { log: join(logsDir(), 'kind.log') });
    steps.say(`the cluster is up: export KUBECONFIG=${kubeconfigPath()}`);
  }

  async down(steps: Steps): Promise<void> {
    await output('kind', ['delete', 'cluster', '--name', prefix, '--kubeconfig', kubeconfigPath()]);
    rmSync(runDir(), { recursive: true, force: true });
    steps.say('the cluster is down');
  }

  async status(): Promise<ClusterStatus> {
    const clusters = (await run('kind', ['get', 'clusters'])).stdout.split('\n');
    if (!clusters.includes(prefix) || !existsSync(kubeconfigPath()))
      return { up: false, lines: ['The cluster is down.'] };
    const ready = await run('kubectl', ['--kubeconfig', kubeconfigPath(), 'get', '--raw', '/readyz']);
    const up = ready.code === 0;
    return {
      up,
      lines: [
        up ? 'The cluster is up.' : 'The API server does not answer.',
        `export KUBECONFIG=${kubeconfigPath()}`,
      ],
    };
  }

  async loadImage(source: string): Promise<string[]> {
    if (!existsSync(source)) {
      await output('kind', ['load', 'docker-image', source, '--name', prefix]);
      return [source];
    }
    const before = new Set(await this.images());
    await output('kind', ['load', 'image-archive', source, '--name', prefix]);
    const after = await this.images();
    const fresh = after.filter((image) => !before.has(image));
    return fresh.length > 0 ? fresh : [`${source}: loaded, all of its names were there before`];
  }

  async images(): Promise<string[]> {
    const said = await this.#inNode('ctr', '--namespace', 'k8s.io', 'images', 'list', '--quiet');
    return said.split('\n').filter((name) => name !== '' && !name.startsWith('sha256:'));
  }

  async stop(component: string): Promise<void> {
    const manifest = staticPods[component];
    if (manifest !== undefined)
      await this.#inNode('mv', `/etc/kubernetes/manifests/${manifest}`, `/root/${manifest}`);
    else await this.#inNode('systemctl', 'stop', unit(component));
  }

  async start(component: string): Promise<void> {
    const manifest = staticPods[component];
    if (manifest !== undefined)
      await this.#inNode('mv', `/root/${manifest}`, `/etc/kubernetes/manifests/${manifest}`);
    else await this.#inNode('systemctl', 'start', unit(component));
  }

  #inNode(...command: string[]): Promise<string> {
    return output('docker', ['exec', node, ...command]);
  }
}

function unit(component: string): string {
  if (units.includes(component)) return component;
  throw new Error(
    `With kind, only these can be stopped: ${[...Object.keys(staticPods), ...units].join(', ')}.`,
  );
}
