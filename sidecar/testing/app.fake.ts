import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

import { wasReset } from '../dataplane/bytes/reset.ts';
import { eventually } from '#base/testing/eventually.ts';

/** As many as any test opens at once: where the kernel's queue is full, it drops handshakes, and connections take seconds or never come. */
const BACKLOG = 4096;

/** An application that listens, as the sidecar's neighbour in the pod. */
export class FakeApp {
  readonly sockets: Socket[] = [];
  readonly #server: Server;
  #behave: (socket: Socket) => void;

  /** @param behave what it does with a connection; default: echo, half-close included */
  constructor(behave: (socket: Socket) => void = (socket) => void socket.pipe(socket)) {
    this.#behave = behave;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      this.sockets.push(socket);
      this.#behave(socket);
    });
  }

  /** What it does with connections from now on. */
  onConnection(behave: (socket: Socket) => void): void {
    this.#behave = behave;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that were ever made to it. */
  get seen(): number {
    return this.sockets.length;
  }

  start(host = '127.0.0.1', port = 0): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, host, backlog: BACKLOG }, () => resolve(this));
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** How a client's connection ended, as it saw it. */
export type Ending = 'open' | 'end' | 'reset';

/** A client application: collects what it is sent and notices how it ends. */
export class FakeClient {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  ending: Ending = 'open';

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => (this.received = Buffer.concat([this.received, chunk])));
    socket.on(
      'end',
      () => (this.ending = this.ending === 'open' ? (wasReset(socket) ? 'reset' : 'end') : this.ending),
    );
    socket.on('error', () => (this.ending = 'reset'));
  }

  static connect(port: number, host = '127.0.0.1'): Promise<FakeClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, allowHalfOpen: true });
      const client = new FakeClient(socket);
      socket.once('connect', () => resolve(client));
      // A reset may come so early that Node never says `connect`.
      socket.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'ECONNRESET' ? resolve(client) : reject(error),
      );
    });
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  /** Sends, and waits until so many bytes more have come back. */
  async exchange(data: string | Buffer): Promise<Buffer> {
    const from = this.received.length;
    this.socket.write(data);
    const bytes = Buffer.byteLength(data);
    await eventually(() => this.received.length >= from + bytes || this.ending !== 'open');
    return this.received.subarray(from);
  }

  /** Waits until the other side has ended or reset the connection. */
  async ended(): Promise<Ending> {
    await eventually(() => this.ending !== 'open');
    return this.ending;
  }

  close(): void {
    this.socket.destroy();
  }
}
