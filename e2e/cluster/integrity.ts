import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * Checks that a file is the one that was meant (W3C Subresource Integrity, as in package-lock.json).
 *
 * @param file its path
 * @param integrity `sha512-` and the hash in base64
 * @throws Error naming both hashes
 */
export function checkIntegrity(file: string, integrity: string): void {
  const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  if (found !== integrity) throw new Error(`${file} is ${found}; expected ${integrity}.`);
}
