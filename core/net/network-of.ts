/** Groups of 16 bits in the part of an IPv6 address that belongs to one network (RFC 4291, section 2.5.1). */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

/**
 * The network by which strangers are counted: an IPv4 address, or the /64 of an IPv6 address, since a host may have all addresses of
 * its /64.
 *
 * @param address as `socket.remoteAddress` says it
 */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const first = groupsOf(head);
  const last = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array<string>(Math.max(0, GROUPS - first.length - last.length)).fill('0');
  return `${[...first, ...zeros, ...last].slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

/** An IPv4 address at the end stands for two groups, which are never part of the network here. */
function groupsOf(part: string): readonly string[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => (group.includes('.') ? ['v4', 'v4'] : [group]));
}
