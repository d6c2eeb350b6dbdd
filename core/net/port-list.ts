import { quoted } from '../fault.ts';

/** Lists of TCP ports as people write them: `22`, `22,8081-8090`. */

const MAX_PORTS = 128;
const MAX_TEXT = 4096;

/** Reads a port number 1 to 65535 written in decimal; undefined when it is anything else. */
export function parsePort(text: string): number | undefined {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}

/**
 * Reads a list of ports and port ranges, separated by commas. Blank text is an empty list. Never throws.
 *
 * @returns the ports that could be read, in ascending order, each once; and a sentence for every entry that could not
 */
export function parsePortList(text: string): {
  readonly ports: readonly number[];
  readonly faults: readonly string[];
} {
  if (text.trim() === '') return { ports: [], faults: [] };
  if (text.length > MAX_TEXT) return { ports: [], faults: [`is longer than ${MAX_TEXT} characters`] };
  const ports = new Set<number>();
  const faults: string[] = [];
  for (const entry of text.split(',').map((part) => part.trim())) {
    const read = parseRange(entry);
    if (typeof read === 'string') {
      faults.push(read);
      continue;
    }
    for (let port = read.first; port <= read.last && ports.size <= MAX_PORTS; port++) ports.add(port);
  }
  if (ports.size > MAX_PORTS) faults.push(`names more than ${MAX_PORTS} ports; write fewer`);
  return { ports: [...ports].slice(0, MAX_PORTS).sort((a, b) => a - b), faults };
}

function parseRange(entry: string): { readonly first: number; readonly last: number } | string {
  const [from = '', to, ...more] = entry.split('-');
  const first = parsePort(from);
  const last = to === undefined ? first : parsePort(to);
  if (first === undefined || last === undefined || more.length > 0) {
    return `${quoted(entry)} is not a valid port; write numbers from 1 to 65535 and ranges, such as "22,8081-8090"`;
  }
  return last < first ? `${quoted(entry)} runs backwards; write "${last}-${first}"` : { first, last };
}
