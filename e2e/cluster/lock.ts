import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterDir } from './paths.ts';
import { sleep } from './steps.ts';

/** Longer than the longest command, a first `up` on a slow machine. */
const patience = 20 * 60_000;

/**
 * Lets one command at a time change something of the cluster; the others wait. The lock of a process that died does not count.
 * @param action what is done under the lock
 * @param name of the lock; those of different names do not disturb each other
 * @throws Error naming the process that holds it, when that takes longer than any command
 */
export async function withLock<T>(action: () => Promise<T>, name: string): Promise<T> {
  const file = join(clusterDir(), name);
  mkdirSync(clusterDir(), { recursive: true });
  const deadline = Date.now() + patience;
  let told = false;
  while (!take(file)) {
    const holder = read(file);
    if (!runs(holder)) {
      rmSync(file, { force: true });
      continue;
    }
    if (Date.now() > deadline)
      throw new Error(
        `The process ${holder} has been changing the test cluster for too long; its lock is ${file}.`,
      );
    if (!told) console.error(`waiting for the process ${holder}, which is changing the test cluster`);
    told = true;
    await sleep(300);
  }
  try {
    return await action();
  } finally {
    rmSync(file, { force: true });
  }
}

function take(file: string): boolean {
  // Linking a finished file takes the lock and names its holder in one step.
  const mine = `${file}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    linkSync(mine, file);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(mine, { force: true });
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Process ids are used again, so the process must look like one of ours; all of them are Node. */
function runs(pid: string): boolean {
  return /^\d+$/.test(pid) && /node|tsx|jest/.test(read(`/proc/${pid}/cmdline`));
}
