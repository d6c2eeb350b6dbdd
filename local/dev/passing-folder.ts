import { lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Folders that go with the process that made them, also where it is killed: the next process removes what is left. */

const PREFIX = 'mesh-dev-';
/** Says in each folder whose it is. */
const OWNER = 'owner';
/** A folder that says nothing of its owner may be one that is just being made. */
const UNOWNED_MS = 24 * 3_600_000;

/** Makes a folder that only its owner can enter, and removes those of processes that are gone. */
export function passingFolder(within = tmpdir()): { readonly folder: string; readonly remove: () => void } {
  removeLeftovers(within);
  const folder = mkdtempSync(join(within, PREFIX));
  writeFileSync(join(folder, OWNER), processIdentity(process.pid) ?? '', { mode: 0o600 });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/**
 * Removes folders of this user whose process is gone. Others may write into the folder for temporary files: what is a link, or
 * belongs to somebody else, or lets others in, was not made here and is left alone.
 */
function removeLeftovers(within: string): void {
  for (const name of readdirSync(within)) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(within, name);
    try {
      const found = lstatSync(folder);
      const isOurs =
        found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o777) === 0o700;
      if (!isOurs) continue;
      const owner = ownerOf(folder);
      const isLeft = owner === undefined ? Date.now() - found.mtimeMs > UNOWNED_MS : !isThere(owner);
      if (isLeft) rmSync(folder, { recursive: true, force: true });
    } catch {
      // Another process was faster, or it cannot be removed: it takes nothing from this one.
    }
  }
}

function ownerOf(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, OWNER), 'utf8') || undefined;
  } catch {
    return undefined;
  }
}

function isThere(owner: string): boolean {
  const [pid = ''] = owner.split(' ');
  return /^\d{1,10}$/.test(pid) && processIdentity(Number(pid)) === owner;
}

/**
 * What no later process of the same number shares: number and start time, the latter where the system says it (proc_pid_stat(5), field
 * 22). Undefined when there is no such process.
 */
export function processIdentity(pid: number): string | undefined {
  return isRunning(pid) ? `${pid} ${startTime(pid)}`.trimEnd() : undefined;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Empty where the system does not say it. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may have anything in it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
