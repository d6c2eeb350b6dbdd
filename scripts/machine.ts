import { spawnSync } from 'node:child_process';

/** What keeps the namespace tests from running on this machine, as a sentence; undefined when nothing does. */
export function netnsObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only';
  if (process.getuid?.() !== 0) return 'needs root (network namespaces)';
  const missing = ['ip', 'nft', 'iptables'].filter((program) => !onPath(program));
  return missing.length > 0
    ? `not installed: ${missing.join(', ')} (Debian: iproute2 nftables iptables)`
    : undefined;
}

/** What keeps the real-cluster suite from running on this machine, as a sentence; undefined when nothing does. */
export function clusterObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root (a cluster on this machine)';
  if (!onPath('apt-get') && !onPath('kind')) return "needs Debian's packages or kind";
  return undefined;
}

function onPath(program: string): boolean {
  return spawnSync('which', [program], { stdio: 'ignore' }).status === 0;
}
