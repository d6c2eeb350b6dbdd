import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { eventually } from '#base/testing/eventually.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { LEASES, MUTATING_WEBHOOKS } from '#kube/types.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: tmpdir(), ...env },
    stdio: 'pipe',
  });
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (texts.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (texts.stderr += chunk.toString()));
  return {
    child,
    ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, ...texts }))),
  };
}

describe('the operator’s process', () => {
  test('with wrong settings it lists all faults and ends with 1', async () => {
    const { code, stderr } = await run([], { MESH_CONFIG: '{"leafTTL":"1s"}', MESH_HTTP_PORT: 'x' }).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/its settings have these faults:\n( {2}- [^\n]+\n){5}$/);
  }, 180_000);

  test('runs, leads, and on SIGTERM hands the lease over and ends with 0; its log is JSON', async () => {
    const fake = await FakeApiServer.started();
    const folder = await mkdtemp(join(tmpdir(), 'mesh-operator-'));
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'fake', cluster: { server: fake.url, 'insecure-skip-tls-verify': true } }],
        users: [{ name: 'me', user: {} }],
        contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'me' } }],
        'current-context': 'fake',
      }),
    );
    try {
      const { child, ended } = run([], {
        ...{ KUBECONFIG: kubeconfig, MESH_NAMESPACE: 'mesh', POD_NAME: 'op', MESH_SIDECAR_IMAGE: 'sidecar' },
        ...{ MESH_HTTPS_PORT: '0', MESH_HTTP_PORT: '0', MESH_WEBHOOK_PORT: '0' },
      });
      await eventually(() => fake.find(MUTATING_WEBHOOKS, { name: 'mesh' }), { withinMs: 120_000 });
      child.kill('SIGTERM');
      const { code, stdout } = await ended;
      expect(code).toBe(0);
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { msg: string });
      expect(lines.map(({ msg }) => msg)).toEqual(
        expect.arrayContaining(['the operator serves', 'leading', 'ending', 'the operator has ended']),
      );
      expect(fake.find(LEASES, { name: 'mesh-operator', namespace: 'mesh' })?.spec?.holderIdentity).toBe('');
    } finally {
      await fake.close();
      await rm(folder, { recursive: true });
    }
  }, 180_000);
});
