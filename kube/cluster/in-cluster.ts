import { readFile as readFileFromDisk } from 'node:fs/promises';
import { isIPv6 } from 'node:net';

import type { ClusterConfig } from './cluster-config.ts';

/** Where injection mounts the sidecar's token for the API server. */
export const DEFAULT_TOKEN_DIR = '/var/run/secrets/mesh.dev/kube';
/** Where Kubernetes mounts the token of a ServiceAccount. */
export const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

export type ReadFile = (path: string) => Promise<string>;

/**
 * The API server as seen from inside a pod: address from the environment (`KUBERNETES_SERVICE_HOST`,
 * `KUBERNETES_SERVICE_PORT`), token and CA from the files `token` and `ca.crt` of the directory
 * `MESH_KUBE_TOKEN_DIR` (default {@link DEFAULT_TOKEN_DIR}, then {@link SERVICE_ACCOUNT_DIR}). Both files are read again
 * whenever needed: the kubelet replaces them.
 *
 * @throws Error naming everything that is missing
 */
export async function inClusterConfig(
  env: Readonly<Record<string, string | undefined>>,
  readFile: ReadFile = (path) => readFileFromDisk(path, 'utf8'),
): Promise<ClusterConfig> {
  const faults: string[] = [];
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT_HTTPS'] ?? env['KUBERNETES_SERVICE_PORT'];
  if (!host || !port) faults.push('KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set');

  const configured = env['MESH_KUBE_TOKEN_DIR'];
  const found = await firstReadable(
    configured ? [configured] : [DEFAULT_TOKEN_DIR, SERVICE_ACCOUNT_DIR],
    readFile,
  );
  if ('faults' in found) faults.push(...found.faults);
  if (faults.length > 0 || 'faults' in found) {
    throw new Error(`this process does not seem to run in a pod: ${faults.join('; ')}`);
  }
  const { dir, caPem } = found;
  return {
    server: `https://${isIPv6(host ?? '') ? `[${host ?? ''}]` : (host ?? '')}:${port ?? ''}`,
    caPem,
    readCa: () => readFile(`${dir}/ca.crt`),
    token: async () => (await readFile(`${dir}/token`)).trim(),
  };
}

async function firstReadable(
  dirs: readonly string[],
  readFile: ReadFile,
): Promise<{ dir: string; caPem: string } | { faults: string[] }> {
  const faults: string[] = [];
  for (const dir of dirs) {
    try {
      const [caPem, token] = await Promise.all([readFile(`${dir}/ca.crt`), readFile(`${dir}/token`)]);
      if (caPem.includes('BEGIN CERTIFICATE') && token.trim() !== '') return { dir, caPem };
      faults.push(`${dir} must hold a token and a ca.crt with a PEM certificate`);
    } catch (error) {
      faults.push(
        `cannot read token and ca.crt in ${dir} (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
      );
    }
  }
  return { faults };
}
