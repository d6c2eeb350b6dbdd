import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the memory controller of this machine is mounted: on its own (version 1), or with all others (version 2). */
interface MemoryController {
  readonly path: string;
  readonly version: 1 | 2;
}

function memoryController(): MemoryController | undefined {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  for (const [, path = '', type, options = ''] of mounts) {
    if (type === 'cgroup' && options.split(',').includes('memory')) return { path, version: 1 };
  }
  for (const [, path = '', type] of mounts) {
    if (type !== 'cgroup2') continue;
    const controllers = readFileSync(join(path, 'cgroup.controllers'), 'utf8').split(/\s/);
    if (controllers.includes('memory')) return { path, version: 2 };
  }
  return undefined;
}

/** Why no process can be limited here, as a sentence; undefined when it can. */
export function memoryLimitObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux (memory cgroups)';
  if (process.getuid?.() !== 0) return 'needs root (memory cgroups)';
  return memoryController() ? undefined : 'no memory cgroup is mounted';
}

let made = 0;

/** A memory cgroup, as the kubelet makes one for a container with `limits.memory`: who goes beyond it is killed by the kernel. */
export class MemoryLimit {
  readonly bytes: number;
  readonly #controller: MemoryController;
  readonly #group: string;

  /**
   * Makes the cgroup.
   *
   * @param bytes the limit
   * @throws Error where there is no memory controller, or no right to use it
   */
  constructor(bytes: number) {
    const controller = memoryController();
    if (!controller) throw new Error(memoryLimitObstacle());
    this.bytes = bytes;
    this.#controller = controller;
    this.#group = join(controller.path, `mesh-attack-${process.pid}-${(made += 1)}`);
    if (controller.version === 2) writeFileSync(join(controller.path, 'cgroup.subtree_control'), '+memory');
    mkdirSync(this.#group);
    this.#write(controller.version === 1 ? 'memory.limit_in_bytes' : 'memory.max', String(bytes));
    // Without swap, as Kubernetes runs by default: what does not fit is killed, not made slow.
    const swap = controller.version === 1 ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max';
    if (existsSync(join(this.#group, swap)))
      this.#write(swap, controller.version === 1 ? String(bytes) : '0');
  }

  /** A command line that moves itself into the cgroup and becomes the program. */
  command(program: string, args: readonly string[]): readonly [string, ...string[]] {
    const procs = join(this.#group, 'cgroup.procs');
    return ['sh', '-c', `echo $$ > ${procs} && exec "$0" "$@"`, program, ...args];
  }

  /** Whether the kernel killed a process of the group for its memory. */
  get killed(): boolean {
    const file = this.#controller.version === 1 ? 'memory.oom_control' : 'memory.events';
    return Number(/^oom_kill (\d+)$/m.exec(this.#read(file))?.[1] ?? 0) > 0;
  }

  /** Removes the cgroup, whose processes must have ended. */
  async remove(): Promise<void> {
    for (let round = 0; existsSync(this.#group); round++) {
      try {
        rmdirSync(this.#group);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || round > 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  #read(file: string): string {
    return readFileSync(join(this.#group, file), 'utf8');
  }

  #write(file: string, text: string): void {
    writeFileSync(join(this.#group, file), text);
  }
}

/**
 * The most memory that a process ever had resident (`VmHWM`, proc(5)) without the pages of its files, bytes: those the kernel takes back
 * when it needs room, and charges to whoever read them first.
 */
export function peakResident(pid: number): number {
  return statusBytes(pid, 'VmHWM') - statusBytes(pid, 'RssFile');
}

/** Lets the kernel count {@link peakResident} of a process from what it has now (`clear_refs`, proc(5)). */
export function forgetPeakResident(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Memory that a process has resident, bytes (`VmRSS`, proc(5)). */
export function resident(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

/** Ticks of a second in which the kernel counts processor time (`sysconf(_SC_CLK_TCK)`, 100 on every Linux for user space). */
const TICKS_PER_SECOND = 100;

/** Processor time that a process has used, its own and the kernel's for it, seconds (`utime` and `stime`, proc(5)). */
export function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in parentheses, may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function statusBytes(pid: number, name: string): number {
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  )?.[1];
  return Number(kib) * 1024;
}
