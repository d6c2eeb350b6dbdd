import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A hash of everything that a build can see: names, modes and contents of the files of its context that `.dockerignore` lets through.
 * @param context the build's folder
 * @param extra whatever else decides the result (Dockerfile, arguments, base images)
 */
export function contextHash(context: string, extra: string[]): string {
  const hash = createHash('sha256');
  for (const text of extra) hash.update(`${text}\0`);
  const ignored = ignoreRules(context);
  for (const path of filesOf(context, '', ignored)) {
    const full = join(context, path);
    const status = lstatSync(full);
    hash.update(`${path}\0${status.mode}\0`);
    hash.update(status.isSymbolicLink() ? readlinkSync(full) : readFileSync(full));
  }
  return hash.digest('hex');
}

/** Says whether `.dockerignore` leaves a path out. */
type Ignored = (path: string) => boolean;

/** Reads the rules; the last rule that matches decides, as Docker has it. */
export function ignoreRules(context: string): Ignored {
  const file = join(context, '.dockerignore');
  if (!existsSync(file)) return () => false;
  const rules = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keeps: line.startsWith('!'), pattern: toPattern(line.replace(/^!/, '')) }));
  return (path) =>
    rules.reduce((ignored, { keeps, pattern }) => (pattern.test(path) ? !keeps : ignored), false);
}

/** A rule matches a path and everything below it. */
function toPattern(rule: string): RegExp {
  const plain = rule.replace(/^\.?\//, '').replace(/\/$/, '');
  const parts = plain.split(/(\*\*\/|\*\*|\*|\?)/).map((part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : part.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}(?:/.*)?$`);
}

function filesOf(context: string, folder: string, ignored: Ignored): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(context, folder), { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    // Git's own folder changes with every command and is in nobody's image.
    if (path === '.git') continue;
    // A folder that is left out is entered all the same: a later rule may keep something in it. But nobody keeps parts of these.
    if (entry.isDirectory())
      found.push(...(entry.name === 'node_modules' && ignored(path) ? [] : filesOf(context, path, ignored)));
    else if (!ignored(path)) found.push(path);
  }
  return found;
}
