import { isIP } from 'node:net';

import { quoted } from '../fault.ts';

/** Address blocks in CIDR notation (RFC 4632, RFC 4291), both families. */

const MAX_BLOCKS = 64;

/**
 * Reads a list of address blocks separated by commas; a bare address stands for itself alone. Blank text is an empty
 * list. Never throws.
 *
 * @returns the blocks that could be read, each with its prefix length, and a sentence for every entry that could not
 */
export function parseCidrList(text: string): {
  readonly cidrs: readonly string[];
  readonly faults: readonly string[];
} {
  if (text.trim() === '') return { cidrs: [], faults: [] };
  const entries = text.split(',').map((entry) => entry.trim());
  if (entries.length > MAX_BLOCKS)
    return { cidrs: [], faults: [`more than ${MAX_BLOCKS} entries; write larger blocks`] };
  const cidrs: string[] = [];
  const faults: string[] = [];
  for (const entry of entries) {
    const read = parseCidr(entry);
    if ('cidr' in read) cidrs.push(read.cidr);
    else faults.push(read.fault);
  }
  return { cidrs, faults };
}

/** Reads one address block; see {@link parseCidrList}. */
export function parseCidr(text: string): { readonly cidr: string } | { readonly fault: string } {
  const [address = '', length, ...more] = text.split('/');
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 0 || more.length > 0) {
    return {
      fault: `${quoted(text)} is not a valid address block; write such as "10.0.0.0/8" or "fd00::/8"`,
    };
  }
  const bits = family === 4 ? 32 : 128;
  const prefix =
    length === undefined ? bits : /^(0|[1-9][0-9]{0,2})$/.test(length) ? Number(length) : bits + 1;
  if (prefix > bits)
    return {
      fault: `${quoted(text)}: the prefix length goes from 0 to ${bits}; write such as "${address}/${bits}"`,
    };
  const value = family === 4 ? ipv4Value(address) : ipv6Value(address);
  const hostBits = BigInt(bits - prefix);
  const network = (value >> hostBits) << hostBits;
  if (network !== value) {
    const base = family === 4 ? ipv4Text(network) : ipv6Text(network);
    return {
      fault: `${quoted(text)} has bits set after its prefix; write "${base}/${prefix}" for the block, or "${address}" for one address`,
    };
  }
  return { cidr: `${address}/${prefix}` };
}

function ipv4Value(address: string): bigint {
  return address.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function ipv4Text(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString()).join('.');
}

function ipv6Value(address: string): bigint {
  const dotted = /^(.*:)([0-9.]+)$/.exec(address);
  const plain =
    dotted?.[1] !== undefined && dotted[2]?.includes('.')
      ? `${dotted[1]}${(ipv4Value(dotted[2]) >> 16n).toString(16)}:${(ipv4Value(dotted[2]) & 0xffffn).toString(16)}`
      : address;
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** The spelling of RFC 5952: the longest run of zero groups, the first of equals, becomes `::`. */
function ipv6Text(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  let [from, length] = [0, 1];
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (groups[end] === '0') end++;
    if (end - start > length) [from, length] = [start, end - start];
  }
  if (length === 1) return groups.join(':');
  return `${groups.slice(0, from).join(':')}::${groups.slice(from + length).join(':')}`;
}
