import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { stringify } from 'yaml';

import { addresses, apiServerUrl } from '../cluster/addresses.ts';
import { eventually } from './eventually.ts';
import { apply, kubectl } from './kubectl.ts';
import { MESH_NAMESPACE, helm } from './mesh.ts';
import { onlyNewOperators } from './operators.ts';

/** This machine is outside the test cluster: it reaches pods and is reached by them, and is none of its nodes. */

const NODE_PORT = 30_845;
const UPGRADE = ['upgrade', 'mesh', 'charts/mesh', '--namespace', MESH_NAMESPACE, '--reuse-values', '--wait'];

/** Lets machines outside join, or not. */
export async function letOutsideJoin(enabled: boolean): Promise<void> {
  const values = [
    `outside.enabled=${enabled}`,
    `outside.operatorAddress=${addresses.node}:${NODE_PORT}`,
    'outside.service.type=NodePort',
    `outside.service.nodePort=${NODE_PORT}`,
  ];
  await helm([...UPGRADE, '--timeout', '3m', ...values.flatMap((value) => ['--set', value])]);
  await onlyNewOperators();
}

/** A kubeconfig of somebody who may use `mesh run` in a namespace, and nothing else. */
export class Laptop {
  readonly kubeconfig: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.kubeconfig = join(folder, 'kubeconfig');
  }

  /** @param roles of those that the chart has for it */
  static async make(
    namespace: string,
    name: string,
    roles: readonly ('mesh-run' | 'mesh-run-lookup')[],
  ): Promise<Laptop> {
    const subjects = [{ kind: 'ServiceAccount', name, namespace }];
    const binding = (role: string): object => ({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: role === 'mesh-run' ? 'RoleBinding' : 'ClusterRoleBinding',
      metadata: { name: `${namespace}-${name}`, ...(role === 'mesh-run' ? { namespace } : {}) },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects,
    });
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } };
    await apply(account, ...roles.map(binding));
    const laptop = new Laptop(mkdtempSync(join(tmpdir(), 'mesh-outside-')));
    writeFileSync(laptop.kubeconfig, await kubeconfigOf(namespace, name), { mode: 0o600 });
    return laptop;
  }

  async remove(namespace: string, name: string): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    await kubectl(['delete', 'clusterrolebinding', `${namespace}-${name}`, '--ignore-not-found']);
  }
}

async function kubeconfigOf(namespace: string, name: string): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const spec = { expirationSeconds: 3600 };
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
  const answer = await kubectl(['create', '--raw', path, '-f', '-'], { input: JSON.stringify(request) });
  const { token } = (JSON.parse(answer) as { status: { token: string } }).status;
  const config = JSON.parse(await kubectl(['config', 'view', '--raw', '--minify', '-o', 'json'])) as {
    clusters: { cluster: { 'certificate-authority-data'?: string; server: string } }[];
  };
  const [{ cluster } = { cluster: { server: apiServerUrl } }] = config.clusters;
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster }],
    users: [{ name, user: { token } }],
  });
}

/** A `mesh run` on this machine. */
export class Outside {
  readonly #child: ChildProcess;
  #said = '';
  #code: number | undefined;

  /** @param args everything after `mesh run` */
  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, ['cli/mesh.mjs', 'run', ...args], {
      env: { ...process.env, KUBECONFIG: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that the command of one that was killed can be ended too.
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    this.#child.on('exit', (code) => (this.#code = code ?? -1));
  }

  /** What it and its command wrote. */
  get said(): string {
    return this.#said;
  }

  /** Waits until its command has written something. */
  async says(what: RegExp): Promise<void> {
    const look = (): boolean | undefined =>
      what.test(this.#said) || (this.#code === undefined ? undefined : false);
    const found = await eventually(`mesh run says ${String(what)}`, look).catch(() => false);
    if (!found)
      throw new Error(
        `mesh run (ended: ${this.#code ?? 'no'}) did not say ${String(what)}, but:\n${this.#said}`,
      );
  }

  /** Its exit code. */
  ended(timeoutMs = 60_000): Promise<number> {
    return eventually('mesh run ends', () => this.#code, { timeoutMs });
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#code === undefined) this.#child.kill(signal);
  }

  /** Ends whatever is left of it and its command. */
  clear(): void {
    try {
      process.kill(-(this.#child.pid ?? NaN), 'SIGKILL');
    } catch {
      // Nothing is left.
    }
  }
}
