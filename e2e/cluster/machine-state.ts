import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { run } from './command.ts';

/** What a cluster could leave behind on a machine, each as a sorted list of lines. */
export type MachineState = Record<string, string[]>;

/**
 * Takes a picture of the machine: interfaces, addresses, routes, network namespaces, mounts, firewall rules, cgroups, kernel settings
 * and processes. What changes by itself (counters, process ids of others) is left out.
 */
export async function machineState(): Promise<MachineState> {
  return {
    interfaces: await lines('ip', ['-brief', 'link']),
    addresses: await lines('ip', ['-brief', 'address']),
    routes: [
      ...(await lines('ip', ['-4', 'route', 'show', 'table', 'all'])),
      ...(await lines('ip', ['-6', 'route', 'show', 'table', 'all'])),
    ],
    'network namespaces': [...(await lines('ip', ['netns', 'list'])), ...folder('/run/netns')],
    mounts: readFileSync('/proc/self/mounts', 'utf8').split('\n').sort(),
    nftables: await lines('nft', ['list', 'ruleset']),
    iptables: await lines('iptables-save', []),
    ip6tables: await lines('ip6tables-save', []),
    'kernel settings': await lines('sysctl', [
      'net.ipv4.ip_forward',
      'net.ipv6.conf.all.forwarding',
      'net.ipv4.conf.all.rp_filter',
      'vm.overcommit_memory',
      'kernel.panic',
    ]),
    cgroups: cgroups(),
    'folders in fixed places': [
      '/var/lib/kubelet',
      '/var/lib/cni',
      '/var/log/pods',
      '/var/log/containers',
      '/run/containerd',
      '/run/netns',
      '/opt/containerd',
      '/etc/cni',
      '/etc/kubernetes',
      '/usr/libexec/kubernetes',
    ].filter((path) => exists(path)),
    processes: processes(),
  };
}

/**
 * Compares two pictures.
 * @returns a line for each difference: `+` for what is new, `-` for what is gone
 */
export function differences(before: MachineState, after: MachineState): string[] {
  const found: string[] = [];
  for (const [kind, old] of Object.entries(before)) {
    const current = after[kind] ?? [];
    found.push(...without(current, old).map((line) => `${kind}: + ${line}`));
    found.push(...without(old, current).map((line) => `${kind}: - ${line}`));
  }
  return found;
}

function without(lines: string[], others: string[]): string[] {
  const known = new Set(others);
  return lines.filter((line) => !known.has(line));
}

async function lines(program: string, args: string[]): Promise<string[]> {
  const { stdout } = await run(program, args);
  // Packet counters and the date of a dump are no traces.
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/\[\d+:\d+\]/, '').trim())
    .sort();
}

function folder(path: string): string[] {
  return exists(path) ? readdirSync(path).sort() : [];
}

function exists(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function cgroups(): string[] {
  return readdirSync('/sys/fs/cgroup', { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .sort();
}

/** Programs of a cluster that run now. Other processes come and go and say nothing. */
function processes(): string[] {
  const ours = /^(etcd|kube-|kubelet$|containerd|runc$|mesh-e2e|buildah$|conntrack$)/;
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const name = words[0]?.split('/').at(-1) ?? '';
      const elsewhere = readlinkSync(`/proc/${pid}/ns/pid`) !== readlinkSync('/proc/self/ns/pid');
      if (ours.test(name) || elsewhere) found.push(`${pid} ${words.join(' ').slice(0, 120)}`);
    } catch {
      // It ended while we looked, or is a thread of the kernel.
    }
  }
  return found.sort();
}
