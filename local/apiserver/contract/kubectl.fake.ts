import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { stringify } from 'yaml';

import { Debian } from '#base/testing/debian.ts';
import type { Target } from './target.fake.ts';

const execute = promisify(execFile);
const WANTED_MINOR = 32;

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Finds a kubectl that is new enough: `MESH_KUBECTL`, that of the path, else Debian's. @returns undefined where there is none */
export async function findKubectl(): Promise<string | undefined> {
  for (const program of [process.env.MESH_KUBECTL, 'kubectl'])
    if (program && (await isNewEnough(program))) return program;
  try {
    const { root } = await new Debian(join(homedir(), '.cache', 'mesh', 'debian')).unpacked('trixie', [
      'kubernetes-client',
    ]);
    const program = join(root, 'usr', 'bin', 'kubectl');
    return (await isNewEnough(program)) ? program : undefined;
  } catch {
    return undefined;
  }
}

async function isNewEnough(program: string): Promise<boolean> {
  try {
    const { stdout } = await execute(program, ['version', '--client', '--output=json']);
    const { clientVersion } = JSON.parse(stdout) as { clientVersion: { minor: string } };
    return Number.parseInt(clientVersion.minor, 10) >= WANTED_MINOR;
  } catch {
    return false;
  }
}

/** An unmodified kubectl, in the target's namespace. */
export class Kubectl {
  readonly folder = mkdtempSync(join(tmpdir(), 'mesh-kubectl-'));
  readonly #program: string;
  readonly #args: readonly string[];

  constructor(program: string, target: Target, token: string | undefined) {
    this.#program = program;
    const path = process.env.MESH_CONTRACT_KUBECONFIG ?? join(this.folder, 'kubeconfig');
    if (token !== undefined) writeFileSync(path, kubeconfigText(target, token), { mode: 0o600 });
    this.#args = [
      '--kubeconfig',
      path,
      '--cache-dir',
      join(this.folder, 'cache'),
      '--namespace',
      target.namespace,
    ];
  }

  /** @param input what it reads as `-f -` */
  run(args: readonly string[], input?: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    return new Promise((resolve) => {
      const options = { env: { ...process.env, ...env }, timeout: 60_000 };
      const child = execFile(this.#program, [...args, ...this.#args], options, (error, out, err) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, out, err }),
      );
      child.stdin?.end(input ?? '');
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function kubeconfigText({ config }: Target, token: string): string {
  const cluster = {
    server: config.server,
    'tls-server-name': config.tlsServerName,
    'certificate-authority-data': Buffer.from(config.caPem ?? '').toString('base64'),
  };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'a',
    contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
    clusters: [{ name: 'a', cluster }],
    users: [{ name: 'a', user: { token } }],
  });
}
