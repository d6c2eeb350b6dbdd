import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The content of a golden file. `UPDATE_GOLDEN=1` writes it again from `actual`; the change is then reviewed as a diff.
 *
 * @param name path below `golden/`
 */
export function golden(name: string, actual: string): string {
  const path = join(import.meta.dirname, '..', 'golden', name);
  if (process.env['UPDATE_GOLDEN']) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
  }
  return readFileSync(path, 'utf8');
}
