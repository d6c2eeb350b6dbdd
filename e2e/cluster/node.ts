import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addresses, addresses6, dualStack, hostLink, nodeLink, prefix } from './addresses.ts';
import { cgroupPaths } from './cgroups.ts';
import { output, run, type CommandOptions, type CommandResult } from './command.ts';
import { logsDir, runDir } from './paths.ts';
import { until } from './steps.ts';

/** The name under which the node's first process is found; nothing else on a machine is called so. */
const initName = `${prefix}-init`;

/** The node's first process, as the host sees it. */
export interface NodeInit {
  pid: number;
  /** The run directory of the cluster it belongs to. */
  runDir: string;
}

/**
 * Finds the node that runs on this machine, whoever started it. The process list is asked and no state file, so the answer is
 * right after any crash.
 */
export function findNode(): NodeInit | undefined {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const words = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      if (words[0] !== initName) continue;
      const directory = words[2];
      const ids = /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1]?.split(/\s+/);
      if (directory !== undefined && ids?.at(-1) === '1') return { pid: Number(entry), runDir: directory };
    } catch {
      // The process ended while we looked.
    }
  }
  return undefined;
}

/**
 * Makes the node: namespaces for processes, mounts and network, and a link between the host and the node.
 * @returns its first process
 * @throws Error when the kernel refuses (with what it said)
 */
export async function startNode(): Promise<NodeInit> {
  mkdirSync(logsDir(), { recursive: true });
  rmSync(join(runDir(), 'init.ready'), { force: true });
  const log = openSync(join(logsDir(), 'node-init.log'), 'w');
  const script = fileURLToPath(new URL('node-init.sh', import.meta.url));
  // argv[0] is set inside, because unshare gives its child the plain program name.
  const launch = 'exec -a "$0" bash "$@"';
  const child = spawn(
    'unshare',
    [
      '--mount',
      '--net',
      '--pid',
      '--fork',
      '--mount-proc',
      'bash',
      '-c',
      launch,
      initName,
      script,
      runDir(),
      ...cgroupPaths('system'),
    ],
    { detached: true, stdio: ['ignore', log, log], cwd: '/', env: nodeEnvironment() },
  );
  child.once('error', () => undefined);
  child.unref();
  closeSync(log);
  await until('the node has its namespaces', 20, () => existsSync(join(runDir(), 'init.ready')));
  const node = findNode();
  if (node === undefined)
    throw new Error(`The node's first process ended; see ${join(logsDir(), 'node-init.log')}`);
  await link(node);
  return node;
}

const networkSettings = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv4.conf.all.rp_filter=0',
  'net.ipv4.conf.default.rp_filter=0',
  'net.ipv4.conf.all.send_redirects=0',
  'net.ipv4.conf.default.send_redirects=0',
];

/** Joins host and node by a pair of interfaces and tells the host that pods and Services are behind the node. */
async function link(node: NodeInit): Promise<void> {
  const ip: Ip = (...args) => output('ip', args);
  await ip('link', 'add', hostLink, 'type', 'veth', 'peer', 'name', nodeLink, 'netns', String(node.pid));
  await ip('address', 'add', `${addresses.host}/24`, 'dev', hostLink);
  await ip('link', 'set', hostLink, 'up');
  // A name makes `ip netns exec mesh-e2e ...` work for whoever looks into the node.
  await ip('netns', 'attach', prefix, String(node.pid));
  const inside: Ip = (...args) => inNode(node, 'ip', args);
  await inside('address', 'add', `${addresses.node}/24`, 'dev', nodeLink);
  await inside('link', 'set', nodeLink, 'up');
  // Services have no interface of their own; the route only lets the kernel accept the destination before kube-proxy's rules
  // rewrite it. There is no default route: what is outside the cluster answers "unreachable" at once and never leaves the machine.
  await inside('route', 'add', addresses.services, 'dev', nodeLink, 'src', addresses.node);
  // These are settings of the node's network namespace alone; the host's stay as they are.
  await inNode(node, 'sysctl', ['-q', '-w', ...networkSettings]);
  await ip('route', 'add', addresses.pods, 'via', addresses.node, 'dev', hostLink);
  await ip('route', 'add', addresses.services, 'via', addresses.node, 'dev', hostLink);
  if (dualStack) await link6(ip, inside);
}

/** The same for IPv6. */
async function link6(ip: Ip, inside: Ip): Promise<void> {
  const { host, node, pods, services } = addresses6;
  // Without `nodad` an address cannot be used during its first seconds.
  await ip('address', 'add', `${host}/64`, 'dev', hostLink, 'nodad');
  await inside('address', 'add', `${node}/64`, 'dev', nodeLink, 'nodad');
  await inside('-6', 'route', 'add', services, 'dev', nodeLink, 'src', node);
  for (const range of [pods, services]) await ip('-6', 'route', 'add', range, 'via', node, 'dev', hostLink);
}

type Ip = (...args: string[]) => Promise<string>;

/** Takes the node and its link away; every process in it ends with it. */
export async function stopNode(node: NodeInit | undefined): Promise<void> {
  if (node !== undefined) {
    process.kill(node.pid, 'SIGKILL');
    await until('the node has ended', 30, () => !existsSync(`/proc/${node.pid}`));
  }
  // Fails when there is nothing to delete, or nothing that could have made it.
  await run('ip', ['netns', 'delete', prefix]).catch(() => undefined);
  await run('ip', ['link', 'delete', hostLink]).catch(() => undefined);
  await removeEmptyNamespaceFolder();
}

/**
 * `ip netns` mounts its folder onto itself at the first use on a machine. When no namespace has a name any more, the mount is the last trace;
 * should somebody name one at this moment, both steps fail and nothing happens.
 */
async function removeEmptyNamespaceFolder(): Promise<void> {
  const folder = '/run/netns';
  if (!existsSync(folder) || readdirSync(folder).length > 0) return;
  await run('umount', [folder]);
  try {
    rmdirSync(folder);
  } catch {
    // In use again.
  }
}

/**
 * Runs a command inside the node.
 * @throws CommandError when it fails
 */
export async function inNode(
  node: NodeInit,
  program: string,
  args: string[],
  options: CommandOptions = {},
): Promise<string> {
  return output('nsenter', [...enter(node), program, ...args], {
    env: nodeEnvironment(),
    title: `${program} ${args[0] ?? ''}`,
    ...options,
  });
}

/** Like {@link inNode}, for commands whose failure is an answer. */
export async function tryInNode(node: NodeInit, program: string, args: string[]): Promise<CommandResult> {
  return run('nsenter', [...enter(node), program, ...args], { env: nodeEnvironment() });
}

function enter(node: NodeInit): string[] {
  return ['--target', String(node.pid), '--mount', '--net', '--pid', '--'];
}

/** What processes of the node get for an environment: the search path that Debian's root has, and nothing of the caller's. */
function nodeEnvironment(): NodeJS.ProcessEnv {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
  };
}

/**
 * Starts a process that stays, inside the node.
 * @param name names its pid file and its log
 * @returns its process id as the node sees it
 */
export async function startInNode(
  node: NodeInit,
  name: string,
  program: string,
  args: string[],
): Promise<number> {
  const log = join(logsDir(), `${name}.log`);
  // The shell puts it in the background and ends, so the node's first process inherits it.
  const launch = 'log=$0; setsid "$@" </dev/null >>"$log" 2>&1 & echo $!';
  const pid = Number(await inNode(node, 'bash', ['-c', launch, log, program, ...args]));
  mkdirSync(join(runDir(), 'pids'), { recursive: true });
  writeFileSync(join(runDir(), 'pids', name), `${pid} ${program}`);
  return pid;
}

/** The process id (as the node sees it) of a process started by {@link startInNode}, while it runs. */
export function pidInNode(node: NodeInit, name: string): number | undefined {
  try {
    const pid = readFileSync(join(runDir(), 'pids', name), 'utf8').split(' ')[0] ?? '';
    const state = readFileSync(`/proc/${node.pid}/root/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
    return state === 'Z' ? undefined : Number(pid);
  } catch {
    return undefined;
  }
}

/**
 * Ends a process started by {@link startInNode}: politely, and after the given seconds by force.
 */
export async function stopInNode(node: NodeInit, name: string, patience: number): Promise<void> {
  const pid = pidInNode(node, name);
  if (pid === undefined) return;
  const gone = (): boolean => pidInNode(node, name) === undefined;
  await tryInNode(node, 'kill', ['-TERM', String(pid)]);
  try {
    await until(`${name} ends`, patience, gone);
  } catch {
    await tryInNode(node, 'kill', ['-KILL', String(pid)]);
    await until(`${name} ends when killed`, 10, gone);
  }
  rmSync(join(runDir(), 'pids', name), { force: true });
}
