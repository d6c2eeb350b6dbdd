import { BlockList, isIPv4 } from 'node:net';
import { output } from './command.ts';
import { instance, instanceSuffix } from './instance.ts';

/** The prefix of every interface, namespace, cgroup and node name that the cluster makes, so that it can be recognised. */
export const prefix = `mesh-e2e${instanceSuffix}`;

/** The host's end of the link into the node's network namespace. */
export const hostLink = `${prefix}-host`;
/** The node's end of that link. */
export const nodeLink = `${prefix}-node`;

/** Three neighbouring ranges per instance: 10.213 to 10.215 for the first. */
const [link, pods, services] = [213, 214, 215].map((second) => `10.${second + 3 * instance}`) as [
  string,
  string,
  string,
];

/** Addresses of the cluster. The node has a range of its own, so nothing of the host's own network is touched. */
export const addresses = {
  link: `${link}.0.0/24`,
  host: `${link}.0.1`,
  node: `${link}.0.2`,
  pods: `${pods}.0.0/16`,
  services: `${services}.0.0/16`,
  apiService: `${services}.0.1`,
  dnsService: `${services}.0.10`,
} as const;

/**
 * Whether pods and Services get IPv6 addresses besides: `MESH_CLUSTER_DUAL_STACK=1` at `up`. Not by default, because 1.20 has it as an
 * alpha feature and most clusters are still without.
 */
export const dualStack = process.env['MESH_CLUSTER_DUAL_STACK'] === '1';

const [link6, pods6, services6] = [213, 214, 215].map((second) => `fd10:${second + 3 * instance}:`) as [
  string,
  string,
  string,
];

/** The addresses of a cluster with both families. */
export const addresses6 = {
  host: `${link6}:1`,
  node: `${link6}:2`,
  pods: `${pods6}:/64`,
  services: `${services6}:/112`,
} as const;

/** The address of the API server, as the host, the node and the pods all reach it. */
export const apiServerUrl = `https://${addresses.node}:6443`;

/** The DNS suffix of the cluster. */
export const clusterDomain = 'cluster.local';

/**
 * Looks whether the machine already routes one of the cluster's ranges somewhere else.
 * @returns a sentence for each collision; none when the ranges are free.
 */
export async function collisions(): Promise<string[]> {
  const routes = JSON.parse(await output('ip', ['-j', '-4', 'route', 'show', 'table', 'all'])) as {
    dst: string;
    dev?: string;
  }[];
  const ours = [addresses.link, addresses.pods, addresses.services];
  const found: string[] = [];
  for (const { dst, dev } of routes) {
    if (dev === hostLink || dst === 'default') continue;
    for (const range of ours) {
      if (overlap(range, dst))
        found.push(
          `The range ${range} of the test cluster collides with the route ${dst} (${dev ?? 'no device'}).`,
        );
    }
  }
  return found;
}

/** Two ranges overlap exactly when one contains the first address of the other. */
function overlap(a: string, b: string): boolean {
  return contains(a, b) || contains(b, a);
}

function contains(range: string, other: string): boolean {
  const [network, bits] = range.split('/') as [string, string | undefined];
  const address = other.split('/')[0] ?? '';
  if (!isIPv4(network) || !isIPv4(address)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits ?? 32), 'ipv4');
  return list.check(address, 'ipv4');
}
