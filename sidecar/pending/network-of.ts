/** Groups of 16 bits in the part of an IPv6 address that belongs to one network (RFC 4291, section 2.5.1). */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

/** Where a connection comes from. */
export interface Origin {
  /** Canonical, see `plainAddress`. */
  readonly address: string;
  /** See {@link networkOf}. */
  readonly network: string;
}

/** @param address in its canonical spelling */
export function originOf(address: string): Origin {
  return { address, network: networkOf(address) };
}

/**
 * The network by which strangers are counted: an IPv4 address, or the /64 of an IPv6 address, since a host may have all addresses of
 * its /64. Inside of one they are counted by address, since it may be that of all pods of a node.
 *
 * @param address in its canonical spelling: no brackets, no `::ffff:` (see `plainAddress`)
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
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
