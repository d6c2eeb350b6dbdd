import { readFile } from 'node:fs/promises';

import { loadLibc } from '../dataplane/original-destination/libc.ts';

/** madvise(2): the pages are not needed soon; from a file, they are read again when they are. */
const MADV_DONTNEED = 4;

type Madvise = (address: bigint, length: bigint, advice: number) => number;

/** A range of addresses that shows a part of a file. */
export interface Region {
  readonly start: bigint;
  readonly length: bigint;
  /** What of it counts as memory of this process, kB. */
  readonly residentKb: number;
}

/**
 * Gives back the pages of Node's own program file. Starting takes twice as much of Node's code and tables as running does, and
 * whatever was once touched counts as memory of the process for good. What is needed again comes back from the kernel's page
 * cache, 64 KiB at a time, without a disk. The call itself takes some milliseconds.
 *
 * @returns how much was given back, kB
 * @throws Error when the kernel or the C library does not let us
 */
export async function releaseProgramPages(program = process.execPath): Promise<number> {
  const regions = programRegions(await readFile('/proc/self/smaps', 'latin1'), program);
  const madvise = (await loadLibc()).func(
    'int madvise(uintptr_t address, size_t length, int advice)',
  ) as Madvise;
  const released = regions.filter(({ start, length }) => madvise(start, length, MADV_DONTNEED) === 0);
  return released.reduce((sum, { residentKb }) => sum + residentKb, 0);
}

const HEAD = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)$/;
const FIELD = /^(\w+): +(\d+) kB$/;

/**
 * The regions of a program file that may be given back: those nobody can write to, without one page that differs from the
 * file. A page that was written (addresses that the linker filled in) would come back as it is in the file, and that would be
 * the end of the process.
 *
 * @param smaps the text of /proc/PID/smaps, see proc_pid_smaps(5)
 */
export function programRegions(smaps: string, program: string): readonly Region[] {
  const regions: Region[] = [];
  for (const block of smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const [first = '', ...lines] = block.split('\n');
    const [, from = '', to = '', permissions = '', path] = HEAD.exec(first) ?? [];
    if (path !== program || !/^r-[-x]p$/.test(permissions)) continue;
    const kb = new Map(lines.map((line) => FIELD.exec(line)?.slice(1) as [string, string]).filter(Boolean));
    if (kb.get('Anonymous') !== '0' || kb.get('Private_Dirty') !== '0') continue;
    const start = BigInt(`0x${from}`);
    regions.push({ start, length: BigInt(`0x${to}`) - start, residentKb: Number(kb.get('Rss')) });
  }
  return regions;
}
