import { endianness } from 'node:os';

import { canonicalAddress } from '#core/net/address.ts';

import type { SocketAddress } from './original-destination.ts';

/** Address families as Linux numbers them. */
const AF_INET = 2;
const AF_INET6 = 10;

/**
 * Reads a `struct sockaddr_in` or `sockaddr_in6`: family in the machine's byte order, port and address in the network's.
 *
 * @returns undefined for any other family or when it is too short
 */
export function parseSockaddr(bytes: Buffer): SocketAddress | undefined {
  if (bytes.length < 8) return undefined;
  const family = endianness() === 'LE' ? bytes.readUInt16LE(0) : bytes.readUInt16BE(0);
  const port = bytes.readUInt16BE(2);
  if (family === AF_INET) return { address: bytes.subarray(4, 8).join('.'), port };
  if (family === AF_INET6 && bytes.length >= 24) return { address: ipv6(bytes.subarray(8, 24)), port };
  return undefined;
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  if (groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff') {
    return canonicalAddress(`::ffff:${bytes.subarray(12, 16).join('.')}`);
  }
  return compress(groups);
}

/** The canonical spelling of RFC 5952: the longest run of two or more zero groups becomes `::`, the first of equals. */
function compress(groups: readonly string[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === '0') length += 1;
    if (length > best.length) best = { start, length };
    start += length;
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}
