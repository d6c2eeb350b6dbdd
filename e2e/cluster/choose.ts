import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterBackend } from './backend.ts';
import { DebianBackend } from './debian.ts';
import { instanceSuffix } from './instance.ts';
import { KindBackend } from './kind.ts';
import { clusterDir } from './paths.ts';

const backends = { kind: () => new KindBackend(), debian: () => new DebianBackend() };
type BackendName = keyof typeof backends;

/**
 * Chooses the kind of cluster for this machine: `MESH_CLUSTER_BACKEND` (`kind` or `debian`) if set, else what was chosen before, else kind
 * where it works and Debian's packages where not. The choice is kept, so that `down` and `status` mean the cluster that `up` made.
 * @throws Error when the variable says something else
 */
export async function chooseBackend(): Promise<ClusterBackend> {
  const wish =
    process.env['MESH_CLUSTER_BACKEND'] ??
    chosenBefore() ??
    ((await KindBackend.works()) ? 'kind' : 'debian');
  if (!isBackendName(wish))
    throw new Error(`MESH_CLUSTER_BACKEND is ${JSON.stringify(wish)}; it can be kind or debian.`);
  mkdirSync(clusterDir(), { recursive: true });
  writeFileSync(choiceFile(), wish);
  return backends[wish]();
}

function chosenBefore(): string | undefined {
  return existsSync(choiceFile()) ? readFileSync(choiceFile(), 'utf8') : undefined;
}

function choiceFile(): string {
  return join(clusterDir(), `backend${instanceSuffix}`);
}

function isBackendName(word: string): word is BackendName {
  return word in backends;
}
