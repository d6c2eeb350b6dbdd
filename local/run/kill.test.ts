import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from '#base/testing/eventually.ts';
import { freePort } from '#base/testing/free-port.fake.ts';

import { kubeconfigIn } from '../dev/data-folder.ts';
import { DevProcess, MESH } from '../dev/dev-process.fake.ts';

/** What processes leave in the temporary folder that are ended as nothing can prepare for. */

const PATIENCE_MS = 120_000;

let folder: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mesh-kill-'));
  mkdirSync(join(folder, 'tmp'));
});
afterEach(async () => {
  for (const child of children.splice(0)) await killed(child);
  rmSync(folder, { recursive: true, force: true });
}, PATIENCE_MS);

/** Names of ours in the temporary folder of the processes. */
const left = (): readonly string[] =>
  readdirSync(join(folder, 'tmp')).filter((name) => name.startsWith('mesh-'));

async function started(args: readonly string[], says: string): Promise<ChildProcess> {
  const env = { ...process.env, HOME: folder, KUBECONFIG: '', TMPDIR: join(folder, 'tmp') };
  const child = spawn(process.execPath, [MESH, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (said += part));
  await eventually(() => said.includes(says) || child.exitCode !== null, { withinMs: PATIENCE_MS });
  expect(said).toContain(says);
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await eventually(() => child.exitCode !== null || child.signalCode !== null);
}

test(
  'mesh run leaves no token, whether it is killed or still there',
  async () => {
    const dev = new DevProcess(join(folder, 'data'), await freePort());
    await dev.up();
    try {
      // It ends when nobody is left that wants it.
      const parent =
        'const parent = process.ppid; setInterval(() => process.ppid === parent || process.exit(), 100)';
      const command = [process.execPath, '-e', `console.log('it runs'); ${parent}`];
      const kubeconfig = kubeconfigIn(join(folder, 'data'));
      const run = await started(
        ['run', '--service', 'db', '--kubeconfig', kubeconfig, '--', ...command],
        'it runs',
      );
      expect(left()).toEqual([]);
      await killed(run);
      expect(left()).toEqual([]);
    } finally {
      await dev.kill();
    }
  },
  PATIENCE_MS,
);

test(
  'what a mesh dev left that was killed is gone when the next one is up; one that is there keeps its own',
  async () => {
    const ephemeral = async () =>
      started(['dev', '--ephemeral', '--port', String(await freePort())], 'mesh dev is up');
    await killed(await ephemeral());
    const [leftover] = left();
    expect(leftover).toBeDefined();
    await ephemeral();
    const [own] = left();
    expect(left()).toEqual([own]);
    expect(own).not.toBe(leftover);
    await ephemeral();
    expect(left()).toHaveLength(2);
    expect(left()).toContain(own);
  },
  PATIENCE_MS,
);
