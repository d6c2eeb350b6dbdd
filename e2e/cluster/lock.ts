import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterDir } from './paths.ts';

/**
 * Lets one command at a time change something of the cluster. The lock of a process that died does not count.
 * @param action what is done under the lock
 * @param name locks of different names do not disturb each other
 * @throws Error naming the process that holds it
 */
export async function withLock<T>(action: () => Promise<T>, name = 'lock'): Promise<T> {
  const file = join(clusterDir(), name);
  mkdirSync(clusterDir(), { recursive: true });
  take(file);
  try {
    return await action();
  } finally {
    rmSync(file, { force: true });
  }
}

function take(file: string): void {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch {
    const holder = readFileSync(file, 'utf8');
    if (existsSync(`/proc/${holder}/cmdline`) && readFileSync(`/proc/${holder}/cmdline`, 'utf8').includes('cluster')) {
      throw new Error(`The process ${holder} is changing the test cluster just now; try again when it has ended.`);
    }
    rmSync(file, { force: true });
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  }
}
