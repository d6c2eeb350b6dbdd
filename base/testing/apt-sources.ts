import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

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
