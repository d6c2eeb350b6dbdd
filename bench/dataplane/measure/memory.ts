import { readFileSync } from 'node:fs';

import { processTree } from './processor-time.ts';

/** MiB. `private` is what no other process shares: what one more proxy costs. */
export interface Memory {
  readonly resident: number;
  readonly private: number;
}

/** @param text of `/proc/PID/smaps_rollup` */
export function parseMemory(text: string): Memory {
  const mebibytes = (field: string): number => {
    const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    if (kibibytes === undefined) throw new RangeError(`/proc/PID/smaps_rollup has no ${field}`);
    return Number(kibibytes) / 1024;
  };
  return { resident: mebibytes('Rss'), private: mebibytes('Private_Clean') + mebibytes('Private_Dirty') };
}

/** Memory of a process and its children together (what they share is counted for each of them). */
export function memoryOf(pid: number): Memory {
  const each = processTree(pid).map((one) => parseMemory(readFileSync(`/proc/${one}/smaps_rollup`, 'utf8')));
  return {
    resident: each.reduce((sum, one) => sum + one.resident, 0),
    private: each.reduce((sum, one) => sum + one.private, 0),
  };
}

/** The larger of several, field by field. */
export function largest(memories: readonly Memory[]): Memory {
  return {
    resident: Math.max(...memories.map(({ resident }) => resident)),
    private: Math.max(...memories.map((one) => one.private)),
  };
}
