import { homedir } from 'node:os';
import { join } from 'node:path';
import { instanceSuffix } from './instance.ts';

/**
 * Where the project keeps what is expensive to make again (binaries, base images, the state of the test cluster).
 * @returns `$MESH_CACHE_DIR`, or `~/.cache/mesh`.
 */
export function cacheDir(): string {
  return process.env['MESH_CACHE_DIR'] ?? join(homedir(), '.cache', 'mesh');
}

/** Root of everything that the test cluster writes; `rm -rf` of it after `down` loses nothing but time. */
export function clusterDir(): string {
  return join(cacheDir(), 'cluster');
}

/** State of the running cluster. Made by `up`, removed by `down`. */
export function runDir(): string {
  return join(clusterDir(), `run${instanceSuffix}`);
}

/** The administrator's kubeconfig of the running cluster: a stable path, so that it can be exported once in a shell. */
export function kubeconfigPath(): string {
  return join(runDir(), 'kubeconfig');
}

/** Logs of steps and components. Kept after `down`, since they matter most when something went wrong. */
export function logsDir(): string {
  return join(clusterDir(), `logs${instanceSuffix}`);
}

/** Image archives that `load` and `build` brought in; `up` imports them again when the cluster has lost them. */
export function imagesDir(): string {
  return join(clusterDir(), 'images');
}

/** containerd's own store, kept between runs so that a warm `up` finds its images in place. */
export function containerdDir(): string {
  return join(clusterDir(), `containerd${instanceSuffix}`);
}
