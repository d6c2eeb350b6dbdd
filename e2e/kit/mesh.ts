import { helmPath } from '../helm.ts';
import { kubeconfigPath } from '../cluster/paths.ts';
import { run, runOk } from './run.ts';

/** Where the suite installs the mesh. */
export const MESH_NAMESPACE = 'mesh-system';

/** Whether sidecars share connections in this run: `MESH_E2E_TUNNEL=off` runs the suite without. */
export const TUNNEL = process.env['MESH_E2E_TUNNEL'] !== 'off';

/** The values with which the suite installs: the images that were built here, and nothing else. */
const SUITE_VALUES = [
  ...['operator', 'sidecar'].flatMap((part) => [
    `${part}.image.repository=mesh.dev/${part}`,
    `${part}.image.tag=e2e`,
    `${part}.image.pullPolicy=Never`,
  ]),
  ...(TUNNEL ? [] : ['sidecar.tunnel=false']),
];

/** Runs the real Helm against the test cluster; throws when it fails. */
export async function helm(args: readonly string[], timeoutMs = 300_000): Promise<string> {
  return runOk([await helmProgram(), ...args], { env: { KUBECONFIG: kubeconfigPath() }, timeoutMs });
}

/** Installs the mesh and waits until it is ready; does nothing when it is installed. */
export async function installMesh(values: readonly string[] = []): Promise<void> {
  if (await meshInstalled()) return;
  await helm([
    'install',
    'mesh',
    'charts/mesh',
    '--namespace',
    MESH_NAMESPACE,
    '--create-namespace',
    '--wait',
    '--timeout',
    '4m',
    ...[...SUITE_VALUES, ...values].flatMap((value) => ['--set', value]),
  ]);
}

/** Removes the mesh; does nothing when it is not installed. */
export async function uninstallMesh(): Promise<void> {
  if (!(await meshInstalled())) return;
  await helm(['uninstall', 'mesh', '--namespace', MESH_NAMESPACE, '--wait', '--timeout', '3m']);
}

async function meshInstalled(): Promise<boolean> {
  const { code } = await run([await helmProgram(), 'status', 'mesh', '--namespace', MESH_NAMESPACE], {
    env: { KUBECONFIG: kubeconfigPath() },
  });
  return code === 0;
}

async function helmProgram(): Promise<string> {
  const path = await helmPath();
  if (path === undefined)
    throw new Error('Helm is missing: put `helm` on the PATH, or Go, with which it is installed');
  return path;
}
