import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';

import koffi from 'koffi';

/** unshare(2) and setns(2). */
const CLONE_NEWNET = 0x4000_0000;

/**
 * What the kernel holds for one connection at most, bytes: least, first, most (tcp(7)). On loopback it would hold megabytes for each
 * connection that is not read, gigabytes that an attack would have to fill before a sidecar holds anything.
 */
const BUFFERS = { tcp_wmem: '4096 16384 65536', tcp_rmem: '4096 65536 131072' } as const;

/**
 * A network namespace of its own for this thread, and for the processes that it starts from now on, in which the kernel's socket
 * buffers are small.
 */
export class OwnNetwork {
  readonly #before: number;

  private constructor(before: number) {
    this.#before = before;
  }

  /** @throws Error where this process may not */
  static enter(): OwnNetwork {
    const before = openSync('/proc/thread-self/ns/net', 'r');
    call('int unshare(int flags)', CLONE_NEWNET);
    const network = new OwnNetwork(before);
    const { status, stderr } = spawnSync('ip', ['link', 'set', 'lo', 'up'], { encoding: 'utf8' });
    if (status !== 0)
      throw new Error(`the loopback interface of a network namespace cannot be used: ${stderr}`);
    for (const [name, value] of Object.entries(BUFFERS)) writeFileSync(`/proc/sys/net/ipv4/${name}`, value);
    return network;
  }

  /** Returns to the network from before. The namespace is gone with the last process and socket in it. */
  leave(): void {
    call('int setns(int fd, int kind)', this.#before, CLONE_NEWNET);
    closeSync(this.#before);
  }
}

function call(signature: string, ...args: readonly number[]): void {
  const done = koffi.load(null).func(signature)(...args) as number;
  if (done !== 0) throw new Error(`${signature}: failed with errno ${koffi.errno()}`);
}
