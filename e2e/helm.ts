import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { run } from './cluster/command.ts';
import { cacheDir, logsDir } from './cluster/paths.ts';

/** The Helm that is installed where the machine has none. */
const HELM_MODULE = 'helm.sh/helm/v3/cmd/helm';
const HELM_VERSION = 'v3.22.0';

export const NO_HELM =
  'Helm is missing: put `helm` (version 3) on the PATH, or a current Go, with which it is installed once';

/**
 * Finds Helm: the one on the PATH, else one that was installed into the cache folder before, else installs it there with
 * Go (some minutes, once).
 *
 * @returns its path; undefined, after a sentence on standard error, when there is neither Helm nor a Go that can build it
 */
export async function helmPath(): Promise<string | undefined> {
  return foundHelm() ?? (await installHelm());
}

/** The path of Helm if it is there already; installs nothing. */
function foundHelm(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...folders, binDir()].map((folder) => join(folder, 'helm')).find((path) => existsSync(path));
}

async function installHelm(): Promise<string | undefined> {
  console.error(`installing Helm ${HELM_VERSION} with Go (some minutes, once)`);
  mkdirSync(binDir(), { recursive: true });
  const folder = mkdtempSync(join(binDir(), 'installing-'));
  const log = join(logsDir(), 'helm.log');
  try {
    const { code } = await run('go', ['install', `${HELM_MODULE}@${HELM_VERSION}`], {
      cwd: folder,
      env: { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod' },
      log,
    });
    if (code !== 0) {
      console.error(`${NO_HELM}. This Go could not build it; its words: ${log}`);
      return undefined;
    }
    // In one step, so that nobody ever finds half a program.
    renameSync(join(folder, 'helm'), join(binDir(), 'helm'));
    return join(binDir(), 'helm');
  } catch {
    console.error(`${NO_HELM}.`);
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function binDir(): string {
  return join(cacheDir(), 'bin');
}
