import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { freePort } from '#base/testing/free-port.fake.ts';
import { eventually } from '#base/testing/eventually.ts';

/** SIGUSR1 opens Node's inspector, through which whoever reaches its port runs programs in the process: not in ours. */

const ROOT = join(import.meta.dirname, '..');
const MESH = join(ROOT, 'cli/mesh.mjs');
const PATIENCE_MS = 120_000;

let folder: string;
let api: FakeApiServer;
const processes: Program[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mesh-inspector-'));
  execFileSync(process.execPath, ['scripts/build.mjs', 'operator', 'sidecar', '--out', folder], {
    cwd: ROOT,
  });
  api = await FakeApiServer.started();
}, PATIENCE_MS);
afterEach(async () => {
  for (const program of processes.splice(0).reverse()) await program.end();
}, PATIENCE_MS);
afterAll(async () => {
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A program of ours as Node runs it. */
class Program {
  output = '';
  ended = false;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    // At any free port, should it open after all.
    this.#child = spawn(process.execPath, ['--inspect-port=0', ...args], {
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, TMPDIR: folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (part: string) => (this.output += part));
    this.#closed = new Promise((resolve) => this.#child.once('close', resolve));
    void this.#closed.then(() => (this.ended = true));
    processes.push(this);
  }

  async says(text: string): Promise<void> {
    await eventually(() => this.output.includes(text) || this.ended, { withinMs: PATIENCE_MS });
    expect(this.output).toContain(text);
  }

  async signalled(): Promise<void> {
    this.#child.kill('SIGUSR1');
    await pause(1_000);
  }

  async end(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#closed;
  }
}

async function expectNoInspector(program: Program): Promise<void> {
  await program.signalled();
  expect(program.output).not.toContain('Debugger listening');
  expect(program.ended).toBe(false);
}

test(
  'the operator lives on without an inspector',
  async () => {
    const kubeconfig = join(folder, 'kubeconfig');
    const cluster = { server: api.url, 'insecure-skip-tls-verify': true };
    const settings = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'fake' },
      clusters: [{ name: 'fake', cluster }],
      users: [{ name: 'me', user: {} }],
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'me' } }],
    };
    writeFileSync(kubeconfig, JSON.stringify(settings));
    const operator = new Program([join(folder, 'operator.js')], {
      ...{ KUBECONFIG: kubeconfig, MESH_NAMESPACE: 'mesh', POD_NAME: 'op', MESH_SIDECAR_IMAGE: 'sidecar' },
      ...{ MESH_HTTPS_PORT: '0', MESH_HTTP_PORT: '0' },
    });
    await operator.says('the operator serves');
    await expectNoInspector(operator);
  },
  PATIENCE_MS,
);

test(
  'the sidecar lives on without an inspector',
  async () => {
    // What waits for a sidecar is the sidecar's own program, and needs none of its ports.
    const told = join(folder, 'told.mjs');
    const end = `const end = Date.now() + 10_000;
      const timer = setInterval(() => {
        if (process.listenerCount('SIGUSR1') === 0 && Date.now() < end) return;
        clearInterval(timer);
        console.log('started');
      }, 5);`;
    writeFileSync(told, end);
    const sidecar = new Program(['--import', told, join(folder, 'sidecar.js'), 'wait']);
    await sidecar.says('started');
    await expectNoInspector(sidecar);
  },
  PATIENCE_MS,
);

test(
  'mesh dev and mesh run live on without an inspector',
  async () => {
    const data = join(folder, 'data');
    const dev = new Program([MESH, 'dev', '--data', data, '--port', String(await freePort())]);
    await dev.says('mesh dev is up');
    const command = [process.execPath, '-e', "console.log('it runs'); setInterval(() => {}, 1000)"];
    const run = new Program([
      MESH,
      'run',
      '--service',
      'db',
      '--kubeconfig',
      join(data, 'kubeconfig'),
      '--',
      ...command,
    ]);
    await run.says('it runs');
    await expectNoInspector(run);
    await expectNoInspector(dev);
  },
  PATIENCE_MS,
);

test.each(['Dockerfile.operator', 'Dockerfile.sidecar'])(
  '%s starts Node so that the signal opens nothing from its first moment',
  (name) => {
    const entry = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(join(ROOT, name), 'utf8'))?.[1] ?? '[]';
    expect(JSON.parse(entry)).toEqual([
      'node',
      '--disable-sigusr1',
      expect.stringMatching(/^\/mesh\/.*\.js$/),
    ]);
  },
);
