import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build, stop } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');

/** The modules that a program loads when it starts, those that it may load later not included. */
async function loadedAtStart(entry: string): Promise<readonly string[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    outdir: 'nowhere',
    write: false,
    metafile: true,
  });
  // Else its process stays, and so does this one.
  await stop();
  const modules: string[] = [];
  const wanted = Object.keys(metafile.outputs).filter((path) => metafile.outputs[path]?.entryPoint === entry);
  for (const path of wanted) {
    const output = metafile.outputs[path];
    modules.push(...Object.keys(output?.inputs ?? {}));
    for (const { path: next, kind } of output?.imports ?? []) {
      if (kind === 'import-statement' && next in metafile.outputs && !wanted.includes(next))
        wanted.push(next);
    }
  }
  return modules;
}

/** The process itself, as the image starts it but from source. */
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

function run(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      env: { PATH: process.env.PATH ?? '', ...env },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

test('a wrong environment is told whole, readably, and ends with 1', async () => {
  const { code, err } = await run([], { MESH_SERVICE: 'Web', MESH_LOG_LEVEL: 'loud' });
  expect(code).toBe(1);
  expect(err).toContain(
    'its environment is wrong:\n  - MESH_SERVICE: service name "Web": upper case is not allowed; write "web"',
  );
  expect(err).toContain('  - POD_UID is not set');
  expect(err).toContain('  - MESH_LOG_LEVEL: write one of');
  expect(err).not.toContain('at ');
}, 30_000);

test('an unknown command ends with 2 and the usage', async () => {
  const { code, err } = await run(['serve']);
  expect(code).toBe(2);
  expect(err).toContain('sidecar wait');
}, 30_000);

test('redirect is the command of the init container', async () => {
  const { code, out } = await run(['redirect', '--help']);
  expect(code).toBe(0);
  expect(out).toContain('redirect');
}, 30_000);

test('a sidecar on one core loads nothing of what several need', async () => {
  const modules = await loadedAtStart('sidecar/main.ts');
  expect(modules).toContain('sidecar/process/sidecar.ts');
  expect(modules.filter((path) => path.startsWith('sidecar/cores/'))).toEqual([]);
});

test('a worker is not started by hand', async () => {
  const { code, err } = await run(['worker'], ENVIRONMENT);
  expect(code).toBe(1);
  expect(err).toContain('a worker is started by a sidecar with MESH_CORES above 1, not by hand');
}, 30_000);

const ENVIRONMENT = {
  MESH_SERVICE: 'web',
  POD_NAME: 'web-1',
  POD_NAMESPACE: 'shop',
  POD_UID: 'uid-1',
  POD_IPS: '127.0.0.1',
  POD_SERVICE_ACCOUNT: 'web',
  MESH_NAMESPACE: 'mesh-system',
  MESH_TRUST_DOMAIN: 'cluster.local',
  MESH_OPERATOR_URL: 'https://mesh-operator.mesh-system.svc:8443',
};
