import { rmSync } from 'node:fs';
import { join } from 'node:path';

import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import { startDevMesh } from './server/dev-mesh.ts';
import type { DevMesh } from './server/dev-mesh.ts';
import { CliError } from '../cli-error.ts';
import { noJournal } from '../apiserver/store/journal.ts';
import { DataInUse, DataUnreadable, sqliteJournal } from '../apiserver/store/sqlite-journal.ts';
import { kubeconfigIn, ownFolder } from './data-folder.ts';
import { adminKubeconfig, writeSecretFile } from './kubeconfig.ts';
import { passingFolder } from './passing-folder.ts';

export interface DevOptions {
  /** Where objects are kept; undefined for a mesh that leaves nothing behind. */
  readonly folder: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Dev extends DevMesh {
  readonly kubeconfig: string;
}

/** The file in the data folder with every object. */
const FILE = 'mesh.db';

/**
 * The mesh in one process, with a kubeconfig for it.
 *
 * @throws CliError saying what to do
 */
export async function startDev({ folder, ...options }: DevOptions): Promise<Dev> {
  const passing = folder === undefined ? passingFolder() : undefined;
  const home = passing?.folder ?? ownFolder(folder ?? '');
  try {
    const journal = passing ? noJournal : sqliteJournal(join(home, FILE));
    const mesh = await startDevMesh({ ...options, journal });
    const kubeconfig = kubeconfigIn(home);
    writeSecretFile(kubeconfig, adminKubeconfig(mesh.api));
    const end = async (): Promise<void> => {
      await mesh.stop();
      if (passing) passing.remove();
      // Its port may be another's next.
      else rmSync(kubeconfig, { force: true });
    };
    let ended: Promise<void> | undefined;
    return { ...mesh, kubeconfig, stop: () => (ended ??= end()) };
  } catch (error) {
    passing?.remove();
    throw faultOf(error, home, options);
  }
}

function faultOf(error: unknown, home: string, { port, host }: Pick<DevOptions, 'port' | 'host'>): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof DataInUse)
    return new CliError(
      `another mesh dev works with the data in ${home}: end it, or give this one another --data`,
    );
  if (error instanceof DataUnreadable) return new CliError(error.message);
  if (code === 'EADDRINUSE')
    return new CliError(
      `port ${port} of ${host} is taken by another process: end that one, or choose another with --port`,
    );
  if (code === 'EACCES')
    return new CliError(`port ${port} is not for everybody: choose one above 1023 with --port`);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new CliError(
      `${host} is not an address of this machine: write one with --host, such as 127.0.0.1`,
    );
  return error;
}
