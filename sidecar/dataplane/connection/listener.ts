import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';

import { LeanSocket } from '../bytes/lean-socket.ts';
import { tuneSocket } from '../bytes/leg.ts';

export interface ListenerOptions {
  /** Tried in this order until the machine has one of them: `::` takes IPv4 as well, but some machines have no IPv6. */
  readonly hosts: readonly string[];
  /** 0 for any free one. */
  readonly port: number;
  /** Whether they come from this pod's own application. Then they read as {@link LeanSocket} does; TLS is put on none of them. */
  readonly near?: boolean;
  readonly metrics: DataPlaneMetrics;
  readonly onConnection: (socket: Socket) => void;
}

const BACKLOG = 4096;
const NO_SUCH_FAMILY = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);

/** A TCP listener of the data plane. */
export class Listener {
  readonly #options: ListenerOptions;
  #server: Server | undefined;
  #port = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** The port that is listened on; 0 before `start`. */
  get port(): number {
    return this.#port;
  }

  /** @throws Error saying which port could not be taken and why. */
  async start(): Promise<void> {
    const { hosts, port } = this.#options;
    let problem = new Error('no address to listen on');
    for (const host of hosts) {
      try {
        this.#server = await this.#listen(host);
        this.#port = (this.#server.address() as AddressInfo).port;
        return;
      } catch (error) {
        problem = error as Error;
        if (!NO_SUCH_FAMILY.has((error as NodeJS.ErrnoException).code ?? '')) break;
      }
    }
    throw new Error(`cannot listen on port ${port} of ${hosts.join(' or ')}: ${problem.message}`, {
      cause: problem,
    });
  }

  /** Takes no more connections; those that are open stay. Idempotent. */
  close(): void {
    this.#server?.close();
  }

  #listen(host: string): Promise<Server> {
    const { port, metrics, onConnection, near = false } = this.#options;
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: near }, (accepted) => {
        const socket = near ? LeanSocket.of(accepted) : accepted;
        socket.on('error', () => undefined);
        tuneSocket(socket, near);
        onConnection(socket);
      });
      server.on('error', reject);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', reject);
        // Out of descriptors (EMFILE): libuv closes connections that wait, mostly without a word, and goes on; so do we.
        server.on('error', (error: NodeJS.ErrnoException) => metrics.acceptFailed(error.code ?? 'UNKNOWN'));
        resolve(server);
      });
    });
  }
}
