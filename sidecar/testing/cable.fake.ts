import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

import type { FakeMesh, ServerPod } from './data-plane.fake.ts';

/** What lies between web's sidecar and one pod: can be cut, or go dead without a word. */
export class Cable {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #dead = false;
  #held: (() => void)[] | undefined;
  /** Connections that were ever made. */
  made = 0;

  private constructor(address: string, to: { readonly host: string; readonly port: number }) {
    this.address = address;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
      this.made += 1;
      const far = connect({ ...to, allowHalfOpen: true });
      for (const socket of [near, far]) this.#keep(socket);
      if (this.#dead) return;
      if (this.#held) this.#held.push(() => join(near, far));
      else join(near, far);
      near.once('close', () => far.destroy());
      far.once('close', () => near.destroy());
    });
  }

  /** A cable to a pod, with an address of its own that stands for the pod's from now on. */
  static async to(mesh: FakeMesh, pod: ServerPod, address: string): Promise<Cable> {
    const cable = new Cable(address, { host: pod.address, port: mesh.inboundPort });
    await new Promise<void>((resolve) => cable.#server.listen(mesh.inboundPort, address, resolve));
    mesh.onStop(() => cable.#close());
    mesh.target.set(
      mesh.target.endpoints().map((one) => (one.address === pod.address ? { ...one, address } : one)),
    );
    return cable;
  }

  /** Connections are made, and nothing passes until `release`. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    for (const joinUp of this.#held ?? []) joinUp();
    this.#held = undefined;
  }

  /** Every connection ends with a reset. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Nothing passes, and nobody is told: as when the other machine loses its power. */
  die(): void {
    this.#dead = true;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  #close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
  }
}

function join(near: Socket, far: Socket): void {
  near.pipe(far).pipe(near);
}
