import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { aptSources } from './apt-sources.ts';

const execute = promisify(execFile);

/** Packages that were unpacked, not installed: nothing of them runs or is configured but what the benchmark starts. */
export interface Unpacked {
  readonly root: string;
  /** For the programs in it. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Takes packages from Debian into a folder. apt is given a configuration of its own, so that neither the machine's package
 * lists nor its packages change; the mirrors are the machine's own.
 */
export class Debian {
  readonly #cache: string;
  readonly #updated = new Map<string, Promise<void>>();

  constructor(cache: string) {
    this.#cache = cache;
  }

  /**
   * Downloads packages and the libraries they need which the machine lacks, and unpacks them, unless that was done before.
   *
   * @param suite `bookworm`, or another that the same mirrors have
   * @throws Error with one sentence when they cannot be had
   */
  async unpacked(suite: string, packages: readonly string[]): Promise<Unpacked> {
    const root = join(this.#cache, `${suite}-${packages.join('-')}`);
    if (!existsSync(root)) await this.#unpack(suite, packages, root);
    const libraries = join(root, 'usr', 'lib');
    const folders = existsSync(libraries)
      ? readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu'))
      : [];
    return { root, env: { LD_LIBRARY_PATH: folders.map((name) => join(libraries, name)).join(':') } };
  }

  async #unpack(suite: string, packages: readonly string[], root: string): Promise<void> {
    const archives = `${root}.archives`;
    const unfinished = `${root}.part`;
    for (const folder of [archives, unfinished]) rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(archives, 'partial'), { recursive: true });
    const options = this.#options(suite, archives);
    this.#updated.set(suite, this.#updated.get(suite) ?? this.#update(suite, options));
    await this.#updated.get(suite);
    // Another suite's libraries would not fit this machine's; only the package itself is taken from there.
    if (suite === hostSuite()) {
      await apt([...options, '--yes', '--no-install-recommends', '--download-only', 'install', ...packages]);
    } else {
      await apt([...options, 'download', ...packages], archives);
    }
    for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb')))
      await execute('dpkg', ['-x', join(archives, file), unfinished]);
    rmSync(archives, { recursive: true });
    renameSync(unfinished, root);
  }

  async #update(suite: string, options: readonly string[]): Promise<void> {
    const parts = join(this.#cache, 'apt', suite, 'parts');
    for (const folder of [parts, join(this.#cache, 'apt', suite, 'lists', 'partial')])
      mkdirSync(folder, { recursive: true });
    writeFileSync(join(parts, 'debian.sources'), sourcesOf(suite, aptSources('deb')));
    await apt([...options, 'update']);
  }

  #options(suite: string, archives: string): readonly string[] {
    const own = join(this.#cache, 'apt', suite);
    return [
      'Dir::Etc::sourcelist=/dev/null',
      `Dir::Etc::sourceparts=${join(own, 'parts')}`,
      `Dir::State::lists=${join(own, 'lists')}`,
      `Dir::Cache=${own}`,
      `Dir::Cache::archives=${archives}`,
      // Runs as root in a folder that apt's own user cannot read; and without rights to the machine's locks as anyone else.
      'APT::Sandbox::User=root',
      'Debug::NoLocking=1',
    ].flatMap((option) => ['-o', option]);
  }
}

/**
 * Sources for a suite, made from those of bookworm: the same mirrors, of which only the main archive has other suites.
 *
 * @param sources in deb822 form
 */
export function sourcesOf(suite: string, sources: string): string {
  if (suite === 'bookworm') return sources;
  const main = sources.split(/\n\s*\n/).find((stanza) => /^Suites:.*\bbookworm(\s|$)/m.test(stanza));
  if (main === undefined) throw new Error(`the machine's sources have no archive that could hold ${suite}`);
  return `${main.trim().replace(/^Suites:.*$/m, `Suites: ${suite}`)}\n`;
}

function hostSuite(): string | undefined {
  return /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
}

async function apt(args: readonly string[], cwd?: string): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  try {
    await execute('apt-get', ['--quiet', ...args], { env, timeout: 300_000, ...(cwd ? { cwd } : {}) });
  } catch (error) {
    const { code, stderr = '', message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT') throw new Error('this machine has no apt-get to take it with', { cause: error });
    const reason = stderr.split('\n').find((line) => line.startsWith('E:')) ?? message;
    throw new Error(`apt-get could not bring it: ${reason}`, { cause: error });
  }
}
