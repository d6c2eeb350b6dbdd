import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort } from '#base/testing/free-port.fake.ts';
import { MESH_CONFIGS, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS } from '#kube/types.ts';

import { ClusterOfPods } from './cluster-of-pods.ts';
import { MemoryLimit, peakResident } from './memory-limit.ts';
import { OperatorLoad } from './operator-load.ts';
import { Shipped, imageEnvironment, shippedMemoryLimit } from './shipped.ts';

const READY_MS = 60_000;
const OUTPUT_TAIL = 2_000_000;
const PODS = 60;

export interface OperatorPorts {
  readonly signing: number;
  readonly webhooks: number;
  readonly http: number;
  readonly bundle: number;
  readonly outside: number;
}

/**
 * The operator as it ships, limited to the memory that the chart gives it, with every port open, against an API server in this process.
 * The API server's calls and the kubelet's probes come from 127.0.0.1, pods from 127.1.0.0/16; the attacker has the rest of 127.0.0.0/8.
 *
 * `MESH_ATTACK_OPERATOR` names the bundle of another version, whose webhooks may be on the port for signing: to see what an attack did to it.
 */
export class OperatorUnderAttack {
  readonly cluster: ClusterOfPods;
  readonly ports: OperatorPorts;
  readonly limit: MemoryLimit;
  readonly #shipped: Shipped;
  readonly #process: ChildProcess;
  readonly #said: () => string;
  readonly #loads: OperatorLoad[] = [];

  private constructor(made: {
    cluster: ClusterOfPods;
    ports: OperatorPorts;
    limit: MemoryLimit;
    shipped: Shipped;
    process: ChildProcess;
    said: () => string;
  }) {
    this.cluster = made.cluster;
    this.ports = made.ports;
    this.limit = made.limit;
    this.#shipped = made.shipped;
    this.#process = made.process;
    this.#said = made.said;
  }

  /** @param settings more of the operator's environment */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<OperatorUnderAttack> {
    const shipped = await Shipped.prepare();
    const program = process.env['MESH_ATTACK_OPERATOR'] ?? (await shipped.process('operator'));
    const cluster = await ClusterOfPods.start(PODS);
    const ports = {
      signing: await freePort(),
      webhooks: await freePort(),
      http: await freePort(),
      bundle: await freePort(),
      outside: await freePort(),
    };
    const limit = new MemoryLimit(shippedMemoryLimit('operator'));
    const [command, ...args] = limit.command(shipped.node, [program]);
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment(shipped, cluster, ports), ...settings },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-OUTPUT_TAIL)));
    const made = { cluster, ports, limit, shipped, process: child, said: () => said };
    const operator = new OperatorUnderAttack(made);
    await operator.#ready();
    return (await listens(ports.webhooks))
      ? operator
      : new OperatorUnderAttack({ ...made, ports: { ...ports, webhooks: ports.signing } });
  }

  /** Ordinary use: certificates, admission, probes. */
  async load(): Promise<OperatorLoad> {
    const load = await OperatorLoad.open({
      ...{ ports: this.ports, pods: this.cluster.pods, caPem: this.rootsPem },
      injectPath: () => this.paths.inject,
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.complaints}`);
    });
    this.#loads.push(load);
    return load;
  }

  /** Where the webhooks are registered now; only the API server may know. */
  get paths(): { readonly inject: string; readonly validate: string } {
    const { api } = this.cluster;
    const path = (type: typeof MUTATING_WEBHOOKS | typeof VALIDATING_WEBHOOKS): string =>
      api.find(type, { name: 'mesh' })?.webhooks?.[0]?.clientConfig.service?.path ?? '';
    return { inject: path(MUTATING_WEBHOOKS), validate: path(VALIDATING_WEBHOOKS) };
  }

  get rootsPem(): string {
    const roots = this.cluster.api.find(MESH_CONFIGS, { name: 'mesh' })?.status?.roots ?? [];
    return roots.map(({ pem }) => pem).join('');
  }

  /** The most memory that the operator ever had resident, bytes. */
  get peakBytes(): number {
    return peakResident(this.#process.pid ?? 0);
  }

  /** Whether it still runs: neither ended by itself nor killed for its memory. */
  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null && !this.limit.killed;
  }

  /** The end of its log. */
  get said(): string {
    return this.#said();
  }

  /** What of it is not a success. */
  get complaints(): string {
    return this.said
      .split('\n')
      .filter((line) => line.includes('"level":"warn"') || line.includes('"level":"error"'))
      .slice(-5)
      .join('\n');
  }

  /** One of its metrics, all labels summed up. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.ports.http}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(name) && line.includes(labels));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async stop(): Promise<void> {
    for (const load of this.#loads) load.close();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await ended;
    }
    await this.cluster.stop();
    await this.limit.remove();
    this.#shipped.close();
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + READY_MS;
    while (!(await this.#isReady())) {
      if (!this.isAlive) throw new Error(`the operator has ended before it was attacked: ${this.said}`);
      if (Date.now() > deadline)
        throw new Error(`the operator was not ready within ${READY_MS / 1000} s: ${this.said}`);
      await sleep(100);
    }
  }

  async #isReady(): Promise<boolean> {
    if (this.paths.inject === '' || this.paths.validate === '' || this.rootsPem === '') return false;
    const answer = await fetch(`http://127.0.0.1:${this.ports.http}/readyz`).catch(() => undefined);
    return answer?.status === 200;
  }
}

function environment(shipped: Shipped, cluster: ClusterOfPods, ports: OperatorPorts): Record<string, string> {
  const tokens = join(dirname(shipped.file('account', '')), 'account');
  mkdirSync(tokens);
  writeFileSync(join(tokens, 'token'), 'the-operator');
  writeFileSync(join(tokens, 'ca.crt'), cluster.caPem);
  const { hostname, port } = new URL(cluster.api.url);
  return {
    ...imageEnvironment('operator'),
    NODE_COMPILE_CACHE: shipped.dir,
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
    MESH_KUBE_TOKEN_DIR: tokens,
    MESH_NAMESPACE: 'mesh-system',
    POD_NAME: 'mesh-operator-1',
    MESH_SIDECAR_IMAGE: 'mesh-sidecar:0.1.0',
    MESH_HTTPS_PORT: String(ports.signing),
    MESH_WEBHOOK_PORT: String(ports.webhooks),
    MESH_HTTP_PORT: String(ports.http),
    MESH_BUNDLE_PORT: String(ports.bundle),
    MESH_OUTSIDE_PORT: String(ports.outside),
  };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
