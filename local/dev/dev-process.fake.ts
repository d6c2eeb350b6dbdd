import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import { kubeconfig } from '#kube/cluster/kubeconfig.ts';

import { kubeconfigIn } from './data-folder.ts';

/** The `mesh` command as people have it. */
export const MESH = fileURLToPath(new URL('../../cli/mesh.mjs', import.meta.url));

/** `mesh dev` in a process of its own. */
export class DevProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #folder: string;
  readonly #errors: Promise<string>;

  constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#child = spawn(process.execPath, [MESH, 'dev', '--data', folder, '--port', String(port)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#closed = new Promise((resolve) => this.#child.once('close', resolve));
    this.#errors = text(this.#child.stderr!);
  }

  /** Resolves when it says that it is up. @throws Error with what it said when it ends before */
  async up(): Promise<ClusterConfig> {
    const greeted = new Promise<true>((resolve) => {
      let said = '';
      this.#child.stdout?.setEncoding('utf8').on('data', (part: string) => {
        said += part;
        if (said.includes('mesh dev is up')) resolve(true);
      });
    });
    if ((await Promise.race([greeted, this.#closed])) !== true)
      throw new Error(`mesh dev ended: ${await this.#errors}`);
    return kubeconfig({ path: kubeconfigIn(this.#folder) });
  }

  /** Ends it as nothing can prepare for; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}
