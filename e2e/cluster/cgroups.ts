import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { prefix } from './addresses.ts';
import { until } from './steps.ts';

/** A mounted cgroup hierarchy. */
interface Hierarchy {
  path: string;
  version: 1 | 2;
}

/** Every hierarchy that is mounted. */
function mounted(): Hierarchy[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, path = '', type]) => ({ path, version: type === 'cgroup' ? 1 : 2 }));
}

/**
 * The hierarchies that containers use: on a machine with version 1 each controller has its own, on a machine with version 2 there
 * is one for all. (Mixed machines count as version 1: there the unified one has no controllers.)
 */
function hierarchies(): Hierarchy[] {
  const all = mounted();
  const first = all.filter(({ version }) => version === 1);
  return first.length > 0 ? first : all;
}

/** The directories of one of the cluster's cgroups, one per hierarchy. */
export function cgroupPaths(child: string): string[] {
  return hierarchies().map(({ path }) => join(path, prefix, child));
}

/** Makes the cgroups `mesh-e2e/system` (control plane) and their parent, under which the kubelet puts its pods. */
export function makeCgroups(): void {
  for (const { path, version } of hierarchies()) {
    // Version 2 gives children only the controllers that each parent passes on. Not tried by the authors: their machine has version 1.
    if (version === 2) delegate(path);
    const parent = join(path, prefix);
    makeGroup(path, parent, version);
    // The cluster counts as much as eight ordinary processes, so that tests on a busy machine do not starve it.
    const shares = join(parent, version === 1 ? 'cpu.shares' : 'cpu.weight');
    if (existsSync(shares)) writeFileSync(shares, version === 1 ? '8192' : '800');
    makeGroup(parent, join(parent, 'system'), version);
  }
}

function makeGroup(parent: string, group: string, version: 1 | 2): void {
  mkdirSync(group, { recursive: true });
  if (version === 2) return delegate(group);
  // A new cpuset is empty, and nothing can run in an empty one.
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (existsSync(join(group, file))) writeFileSync(join(group, file), readFileSync(join(parent, file)));
  }
}

function delegate(group: string): void {
  if (basename(group) === 'system') return;
  for (const controller of ['cpu', 'cpuset', 'memory', 'pids', 'io']) {
    try {
      writeFileSync(join(group, 'cgroup.subtree_control'), `+${controller}`);
    } catch {
      // A controller that the machine lacks is not needed.
    }
  }
}

/** Removes the cluster's cgroups; their processes must have ended or be about to. */
export async function removeCgroups(): Promise<void> {
  // All of them: runc makes its groups in the unified hierarchy of a mixed machine, too.
  for (const { path } of mounted()) {
    const top = join(path, prefix);
    await until(`the cgroup ${top} is empty and removed`, 20, () => {
      removeTree(top);
      return !existsSync(top);
    });
  }
}

function removeTree(group: string): void {
  if (!existsSync(group)) return;
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(group, entry.name));
  }
  rmdirSync(group);
}
