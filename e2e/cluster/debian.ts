import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { errorText } from '#base/error-text.ts';

import { addresses, collisions, prefix } from './addresses.ts';
import type { ClusterBackend, ClusterStatus } from './backend.ts';
import { ensureBaseImages } from './base-image.ts';
import { inspectImage, pushArchive } from './buildah.ts';
import { makeCertificates, pkiFile } from './certificates.ts';
import { makeCgroups, removeCgroups } from './cgroups.ts';
import { run } from './command.ts';
import {
  component,
  componentNames,
  isComponentName,
  writeKubeletConfig,
  type ComponentName,
} from './components.ts';
import { containerdAnswers, forgetContainers, imageNames, writeContainerdConfig } from './containerd.ts';
import { installDnsService, dnsAnswers } from './dns-service.ts';
import { archiveOf, importKeptArchives, loadArchive } from './image-archives.ts';
import { instanceSuffix } from './instance.ts';
import { ensureKubectl, kubectl } from './kubectl.ts';
import { buildKubernetes } from './kubernetes-build.ts';
import { withLock } from './lock.ts';
import {
  findNode,
  inNode,
  pidInNode,
  startInNode,
  startNode,
  stopInNode,
  stopNode,
  tryInNode,
  type NodeInit,
} from './node.ts';
import { ensurePackages } from './packages.ts';
import { containerdDir, imagesDir, kubeconfigPath, logsDir, runDir } from './paths.ts';
import { makePauseImage } from './pause-image.ts';
import { until, type Steps } from './steps.ts';

/** Held by whoever changes the state of this instance. */
const stateLock = `state${instanceSuffix}.lock`;

/** A single-node cluster in a network namespace, built from Debian's packages alone. */
export class DebianBackend implements ClusterBackend {
  readonly name = `Kubernetes 1.20 from Debian's packages, in the network namespace ${prefix}`;
  readonly builder = 'buildah';

  async prepare(steps: Steps): Promise<void> {
    await this.#prepare(steps);
    await ensureBaseImages(steps);
  }

  async #prepare(steps: Steps): Promise<void> {
    await ensurePackages(steps);
    // Instances share what is built here.
    await withLock(async () => {
      await buildKubernetes(steps);
      await ensureKubectl(steps);
      await makePauseImage(steps);
    }, 'prepare.lock');
  }

  async up(steps: Steps): Promise<void> {
    await withLock(() => this.#up(steps), stateLock);
  }

  async #up(steps: Steps): Promise<void> {
    const before = await this.status();
    if (before.up) return steps.say('the cluster is up already');
    if (await this.#repair(steps)) return;
    await ensurePackages(steps);
    await this.#clear(steps);
    const collision = (await collisions())[0];
    if (collision !== undefined) throw new Error(collision);
    await this.#prepare(steps);

    steps.say('making the node');
    for (const folder of [runDir(), logsDir(), containerdDir()]) mkdirSync(folder, { recursive: true });
    await makeCertificates();
    writeContainerdConfig();
    writeKubeletConfig();
    makeCgroups();
    for (const module of ['overlay', 'nf_conntrack', 'veth']) await run('modprobe', ['--quiet', module]);
    const node = await startNode();
    if (existsSync(join(containerdDir(), 'io.containerd.metadata.v1.bolt'))) await forgetContainers(node);

    await Promise.all([
      this.#start(node, 'containerd', steps).then(() => importKeptArchives(node, steps)),
      this.#startControlPlane(node, steps),
    ]);
    await Promise.all(
      (['controller-manager', 'scheduler', 'kubelet', 'proxy'] as const).map((name) =>
        this.#start(node, name, steps),
      ),
    );
    steps.say('waiting for the node to be ready');
    await until(
      'the node is ready',
      60,
      async () =>
        (await kubectl([
          'get',
          'node',
          prefix,
          '-o',
          'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
        ])) === 'True',
    );
    await installDnsService();
    await this.#start(node, 'dns', steps);
    await until(
      'pods can be created',
      30,
      async () => (await kubectl(['get', 'serviceaccount', 'default', '-n', 'default', '-o', 'name'])) !== '',
    );
    writeFileSync(join(runDir(), 'up'), `${Date.now()}`);
    steps.say(`the cluster is up: export KUBECONFIG=${kubeconfigPath()}`);
  }

  /** Starts what a test has stopped, or what has crashed, and so keeps the objects of a cluster that was up. */
  async #repair(steps: Steps): Promise<boolean> {
    const node = findNode();
    if (node?.runDir !== runDir() || !existsSync(join(runDir(), 'up'))) return false;
    try {
      for (const name of componentNames) await this.#start(node, name, steps);
      steps.say('the cluster is up again');
      return true;
    } catch (error) {
      steps.say(`it cannot be repaired and is made again: ${errorText(error)}`);
      return false;
    }
  }

  async #startControlPlane(node: NodeInit, steps: Steps): Promise<void> {
    await this.#start(node, 'etcd', steps);
    await this.#start(node, 'apiserver', steps);
  }

  async #start(node: NodeInit, name: ComponentName, steps?: Steps): Promise<void> {
    if (pidInNode(node, name) !== undefined) return;
    steps?.say(`starting ${name}`);
    const { program, args } = component(name);
    await startInNode(node, name, program, args);
    await until(`${name} answers (its log: ${join(logsDir(), `${name}.log`)})`, 120, async () => {
      if (pidInNode(node, name) === undefined) throw new Error('it has ended');
      return this.#healthy(node, name);
    });
  }

  async #healthy(node: NodeInit, name: ComponentName): Promise<boolean> {
    if (pidInNode(node, name) === undefined) return false;
    const { health } = component(name);
    if (name === 'containerd') return containerdAnswers(node);
    if (name === 'dns') return dnsAnswers();
    if (health === undefined) return true;
    const identity = ['--cert', pkiFile('admin', 'crt'), '--key', pkiFile('admin', 'key')];
    const args = [
      '--silent',
      '--insecure',
      '--fail',
      '--max-time',
      '3',
      ...(health.startsWith('https') ? identity : []),
      health,
    ];
    return (await tryInNode(node, 'curl', args)).code === 0;
  }

  async down(steps: Steps): Promise<void> {
    await withLock(async () => {
      await this.#clear(steps);
      steps.say('the cluster is down');
    }, stateLock);
  }

  /** Removes whatever is left of a cluster, however it ended. */
  async #clear(steps: Steps): Promise<void> {
    const node = findNode();
    if (node !== undefined && node.runDir !== runDir()) {
      throw new Error(
        `Another test cluster runs on this machine, from ${node.runDir}: take it down with its own MESH_CACHE_DIR.`,
      );
    }
    if (node !== undefined) steps.say('stopping the node');
    await stopNode(node);
    await removeCgroups();
    rmSync(runDir(), { recursive: true, force: true });
  }

  async status(): Promise<ClusterStatus> {
    const node = findNode();
    if (node === undefined || node.runDir !== runDir()) return { up: false, lines: ['The cluster is down.'] };
    const health = await Promise.all(
      componentNames.map(async (name) => [name, await this.#healthy(node, name)] as const),
    );
    const complete = existsSync(join(runDir(), 'up'));
    const up = complete && health.every(([, healthy]) => healthy);
    const lines = health.map(
      ([name, healthy]) => `  ${name.padEnd(20)} ${healthy ? 'running' : 'NOT RUNNING'}`,
    );
    const title = up
      ? 'The cluster is up.'
      : complete
        ? 'The cluster is up in part.'
        : 'The cluster was not brought up completely.';
    return {
      up,
      lines: [
        title,
        ...lines,
        `  node ${addresses.node}, pods ${addresses.pods}, services ${addresses.services}`,
        `export KUBECONFIG=${kubeconfigPath()}`,
      ],
    };
  }

  async loadImage(source: string): Promise<string[]> {
    const node = runningNode();
    if (existsSync(source)) return loadArchive(node, source);
    if ((await inspectImage(source)) === undefined) {
      throw new Error(`There is neither a file nor an image ${JSON.stringify(source)}.`);
    }
    mkdirSync(imagesDir(), { recursive: true });
    await pushArchive(source, archiveOf(source));
    return loadArchive(node, archiveOf(source));
  }

  async images(): Promise<string[]> {
    return imageNames(runningNode());
  }

  async stop(name: string): Promise<void> {
    await stopInNode(runningNode(), known(name), 5);
  }

  async start(name: string): Promise<void> {
    await this.#start(runningNode(), known(name));
  }

  /** Runs a program inside the node, for tests that look at interfaces or rules. */
  async exec(program: string, args: string[]): Promise<string> {
    return inNode(runningNode(), program, args);
  }
}

function runningNode(): NodeInit {
  const node = findNode();
  if (node === undefined || node.runDir !== runDir())
    throw new Error('The test cluster is down: bring it up with `npm run cluster -- up`.');
  return node;
}

function known(name: string): ComponentName {
  if (isComponentName(name)) return name;
  throw new Error(`There is no component ${JSON.stringify(name)}; there are ${componentNames.join(', ')}.`);
}
