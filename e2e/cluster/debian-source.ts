import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { aptSources } from '#base/testing/apt-sources.ts';

import { output } from './command.ts';
import { clusterDir } from './paths.ts';

/**
 * Downloads a Debian source package. apt gets a configuration of its own for this, because most machines have no source
 * entries in theirs, and theirs is not to be changed; the mirrors are the machine's own.
 * @param name the source package
 * @param log file for apt's output
 * @returns path of its `.dsc` file; the rest lies beside it
 * @throws Error when the machine has no Debian sources at all, CommandError when apt fails
 */
export async function sourceArchive(name: string, log: string): Promise<string> {
  const root = join(clusterDir(), 'debian-source');
  const found = (): string | undefined =>
    readdirSync(root).find((file) => file.startsWith(`${name}_`) && file.endsWith('.dsc'));
  for (const folder of ['parts', 'lists/partial', 'cache/archives/partial'])
    mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, 'parts', 'source.sources'), aptSources('deb-src'));
  const options = [
    'Dir::Etc::sourcelist=/dev/null',
    `Dir::Etc::sourceparts=${join(root, 'parts')}`,
    `Dir::State::lists=${join(root, 'lists')}`,
    `Dir::Cache=${join(root, 'cache')}`,
    // Runs as root in a folder that apt's own user cannot read.
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  await output('apt-get', [...options, '--quiet', 'update'], { log });
  await output('apt-get', [...options, '--quiet', '--download-only', 'source', name], { log, cwd: root });
  const description = found();
  if (description === undefined) throw new Error(`apt-get brought no source package ${name}; see ${log}`);
  return join(root, description);
}
