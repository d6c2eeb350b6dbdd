import { readFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second, on every architecture Node runs on. */
const TICKS_PER_SECOND = 100;

/**
 * Processor time a process has used, user and system, with that of its children that have ended; seconds.
 *
 * @param stat the text of `/proc/PID/stat` (proc(5)); the program's name in it may hold spaces and parentheses
 */
export function parseProcessorSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Fields 14 to 17 of the whole line; the third is the first after the name.
  const times = fields.slice(11, 15).map(Number);
  const ticks = times.reduce((sum, time) => sum + time, 0);
  if (times.length < 4 || !Number.isFinite(ticks))
    throw new RangeError('this is not a line of /proc/PID/stat');
  return ticks / TICKS_PER_SECOND;
}

/** A process and everything it started that still lives. */
export function processTree(pid: number): readonly number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(processTree)];
}

/** Processor seconds of these processes and all their children so far. */
export function processorSeconds(pids: readonly number[]): number {
  const trees = pids.flatMap(processTree);
  return trees.reduce((sum, pid) => sum + parseProcessorSeconds(read(`/proc/${pid}/stat`)), 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Error(`a process ended while it was measured (${path})`);
  }
}
