import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { hostTools, runProgram } from '../tools.ts';
import type { Tools } from '../tools.ts';

/** What a listener said about a connection, or why there was none. */
export interface DialOutcome {
  readonly at?: number;
  readonly original?: string;
  readonly peer?: string;
  readonly error?: string;
}

export type Place = 'pod' | 'peer';

const ROOT = join(import.meta.dirname, '../../..');
let counter = 0;

/**
 * Two network namespaces with a cable between them, IPv4 and IPv6: a pod, and a peer that is also its way to everywhere
 * else. Named after this process, and gone after `remove()`.
 */
export class PodNetwork {
  readonly pod = { v4: '10.77.0.2', v6: 'fd77::2' } as const;
  readonly peer = { v4: '10.77.0.1', v6: 'fd77::1' } as const;
  /** Further addresses of the peer. */
  readonly other = { v4: '10.77.0.9', v6: 'fd77::9' } as const;
  readonly #prefix = `mesh-test-${process.pid}-${counter++}`;
  readonly #children: ChildProcess[] = [];

  async create(): Promise<void> {
    await removeLeftOver();
    const pod = this.#namespace('pod');
    const peer = this.#namespace('peer');
    for (const namespace of [pod, peer]) await ip('netns', 'add', namespace);
    await ip('-n', pod, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer);
    await this.#address(pod, this.pod);
    await this.#address(peer, this.peer);
    // Deprecated: connections do not start from it.
    await this.#address(peer, this.other, 'preferred_lft', '0');
    await ip('-n', pod, 'route', 'add', 'default', 'via', this.peer.v4);
    await ip('-n', pod, '-6', 'route', 'add', 'default', 'via', this.peer.v6);
  }

  /** Ends every listener and removes both namespaces. May be called at any time, more than once. */
  async remove(): Promise<void> {
    for (const child of this.#children.splice(0)) child.kill('SIGKILL');
    for (const place of ['pod', 'peer'] as const) {
      await runProgram('ip', ['netns', 'delete', this.#namespace(place)], '');
    }
  }

  /** Listens as a user until `remove()`; resolves when it listens. */
  async listen(place: Place, uid: number, ...addresses: string[]): Promise<void> {
    await this.start(place, join(import.meta.dirname, 'listener.fake.ts'), String(uid), ...addresses);
  }

  /** Runs a TypeScript program until `remove()`; resolves when it prints something. */
  async start(place: Place, program: string, ...given: string[]): Promise<void> {
    const node = [process.execPath, '--import', 'tsx', program, ...given];
    const args = ['netns', 'exec', this.#namespace(place), ...node];
    const child = spawn('ip', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`${program} ${given.join(' ')} ended with ${code}`)));
    });
  }

  /** Connects as a user and gives what the listener says. */
  async dial(place: Place, uid: number, host: string, port: number, from = ''): Promise<DialOutcome> {
    const program = join(import.meta.dirname, 'dial.fake.mjs');
    const args = [process.execPath, program, String(uid), host, String(port), from];
    const { stdout, stderr } = await runProgram('ip', ['netns', 'exec', this.#namespace(place), ...args], '');
    if (stdout === '') throw new Error(`no answer from ${host} port ${port}: ${stderr}`);
    return JSON.parse(stdout) as DialOutcome;
  }

  /** The pod's tools: what the redirect init container has. */
  get tools(): Tools {
    return { ...hostTools, run: (program, args, input) => this.run(program, args, input) };
  }

  /** Runs a program in the pod's namespace. */
  run(program: string, args: readonly string[], input = ''): ReturnType<Tools['run']> {
    return this.runAt('pod', program, args, input);
  }

  runAt(place: Place, program: string, args: readonly string[], input = ''): ReturnType<Tools['run']> {
    return runProgram('ip', ['netns', 'exec', this.#namespace(place), program, ...args], input);
  }

  async #address(
    namespace: string,
    { v4, v6 }: Readonly<Record<'v4' | 'v6', string>>,
    ...flags: string[]
  ): Promise<void> {
    await ip('-n', namespace, 'addr', 'add', `${v4}/24`, 'dev', 'eth0');
    // Without the wait for duplicate address detection.
    await ip('-n', namespace, 'addr', 'add', `${v6}/64`, 'dev', 'eth0', 'nodad', ...flags);
    for (const link of ['lo', 'eth0']) await ip('-n', namespace, 'link', 'set', link, 'up');
  }

  #namespace(place: Place): string {
    return `${this.#prefix}-${place}`;
  }
}

/** Namespaces of test runs that were killed. */
async function removeLeftOver(): Promise<void> {
  const { stdout } = await runProgram('ip', ['netns', 'list'], '');
  for (const [name, pid = ''] of stdout.matchAll(/^mesh-test-(\d+)-\S+/gm)) {
    if (!existsSync(`/proc/${pid}`)) await runProgram('ip', ['netns', 'delete', name], '');
  }
}

async function ip(...args: string[]): Promise<void> {
  const { code, stderr } = await runProgram('ip', args, '');
  if (code !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}
