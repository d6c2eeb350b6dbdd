import { isIP } from 'node:net';

/**
 * One spelling for each IP address, so that it can be compared and be a key: IPv4 out of IPv4-mapped IPv6 (RFC 4291, 2.5.5.2), IPv6
 * as RFC 5952 writes it, without a zone. What is not an address comes back as it is.
 */
export function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address;
  const [bare = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  return isIP(bare) === 6 ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : address;
}
