import { quoted } from './fault.ts';

/** Lists of TCP ports as people write them: `22`, `22,8081-8090`. */

/** Ports `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const MAX_RANGES = 64;
const RANGE = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/;

/** Reads a port number 1 to 65535 written in decimal; undefined when it is anything else. */
export function parsePort(text: string): number | undefined {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}

/**
 * Reads a list of ports and port ranges, separated by commas. Blank text is an empty list. Never throws.
 *
 * @returns the ranges that could be read, and a sentence for every entry that could not
 */
export function parsePortList(text: string): {
  readonly ranges: readonly PortRange[];
  readonly faults: readonly string[];
} {
  if (text.trim() === '') return { ranges: [], faults: [] };
  const entries = text.split(',').map((entry) => entry.trim());
  if (entries.length > MAX_RANGES)
    return { ranges: [], faults: [`more than ${MAX_RANGES} entries; write ranges such as "8081-8090"`] };
  const ranges: PortRange[] = [];
  const faults: string[] = [];
  for (const entry of entries) {
    const [, from, to] = RANGE.exec(entry) ?? [];
    const first = parsePort(from ?? '');
    const last = to === undefined ? first : parsePort(to);
    if (first === undefined || last === undefined) {
      faults.push(
        `${quoted(entry)} is no port; write numbers from 1 to 65535 and ranges, such as "22,8081-8090"`,
      );
    } else if (last < first) {
      faults.push(`${quoted(entry)} runs backwards; write "${last}-${first}"`);
    } else {
      ranges.push({ first, last });
    }
  }
  return { ranges, faults };
}

/** The list as {@link parsePortList} reads it: `22,8081-8090`. */
export function formatPortList(ranges: readonly PortRange[]): string {
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** Whether a port lies in one of the ranges. */
export function inPortList(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ first, last }) => first <= port && port <= last);
}
