import type { Socket } from 'node:net';

import { resetSocket } from '../bytes/reset.ts';

/** Every accepted socket that is not closed yet, let through or not. */
export class SocketSet {
  readonly #sockets = new Set<Socket>();
  readonly #waiting: (() => void)[] = [];

  get size(): number {
    return this.#sockets.size;
  }

  /** Keeps a socket until it closes. */
  add(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  resetAll(): void {
    for (const socket of [...this.#sockets]) resetSocket(socket);
  }

  whenEmpty(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
