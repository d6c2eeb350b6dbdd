import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import { CliError } from '../cli-error.ts';

/** Where `mesh dev` keeps its data unless told otherwise. */
export function defaultDataFolder(): string {
  return join(homedir(), '.mesh', 'dev');
}

/** The kubeconfig of the `mesh dev` that works in a folder. */
export function kubeconfigIn(folder: string): string {
  return join(folder, 'kubeconfig');
}

/** Makes a folder that only its owner can enter. @throws CliError when there can be none */
export function ownFolder(folder: string): string {
  try {
    makeFolder(folder);
    chmodSync(folder, 0o700);
  } catch (error) {
    throw new CliError(
      `${folder} cannot be a folder for data (${(error as Error).message}): give another with --data`,
    );
  }
  return folder;
}

/** With the folders above it. Node's own way (`recursive`) never ends where a file system lets nobody make one, such as /proc. */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(folder) !== folder) makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}
