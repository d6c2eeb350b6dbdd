import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

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
