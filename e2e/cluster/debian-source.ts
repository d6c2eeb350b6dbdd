import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

/**
 * The machine's own apt sources of Debian, in deb822 form, so that everything comes from where its other packages come from.
 * @param type `deb` for packages, `deb-src` for their sources
 * @throws Error when the machine has none
 */
export function aptSources(type: 'deb' | 'deb-src'): string {
  const folder = '/etc/apt/sources.list.d';
  const stanzas: string[] = [];
  for (const file of filesOf(folder)) {
    const text = readFileSync(join(folder, file), 'utf8');
    if (file.endsWith('.sources'))
      stanzas.push(
        ...text
          .split(/\n\s*\n/)
          .filter(isDebian)
          .map((stanza) => withoutComments(stanza)),
      );
    if (file.endsWith('.list')) stanzas.push(...oneLineEntries(text));
  }
  if (filesOf('/etc/apt').includes('sources.list'))
    stanzas.push(...oneLineEntries(readFileSync('/etc/apt/sources.list', 'utf8')));
  if (stanzas.length === 0)
    throw new Error(
      'This machine has no apt source of Debian bookworm, from which the test cluster is made.',
    );
  return `${stanzas.map((stanza) => stanza.replace(/^Types:.*$/m, `Types: ${type}`)).join('\n\n')}\n`;
}

function withoutComments(stanza: string): string {
  return stanza
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .join('\n');
}

/** Repositories of others (of Node, of a cloud's tools) rarely offer sources and are not needed. */
function isDebian(entry: string): boolean {
  return /\bbookworm\b/.test(entry) && /\bmain\b/.test(entry);
}

function oneLineEntries(text: string): string[] {
  const entries = text.split('\n').filter((line) => /^deb\s/.test(line) && isDebian(line));
  return entries.map((line) => {
    const [, options, uri, suite, components] =
      /^deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    const signed = /signed-by=(\S+)/.exec(options ?? '')?.[1];
    return [
      'Types: deb',
      `URIs: ${uri}`,
      `Suites: ${suite}`,
      `Components: ${components}`,
      ...(signed ? [`Signed-By: ${signed}`] : []),
    ].join('\n');
  });
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
