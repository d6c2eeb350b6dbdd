import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** Stands between two proxies, passes everything on, and keeps the first bytes the server sends on each connection. */
export class Tap {
  /** The beginning of what the server sent, one for each connection, in their order. */
  readonly answers: Buffer[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((from) => this.#pass(from));
  #to = 0;

  /** @returns the port to connect to instead of `to` */
  async between(to: number): Promise<number> {
    this.#to = to;
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #pass(from: Socket): void {
    const index = this.answers.push(Buffer.alloc(0)) - 1;
    const onward = connect({ port: this.#to, host: '127.0.0.1', noDelay: true });
    onward.on('data', (chunk: Buffer) => {
      const kept = this.answers[index];
      if (kept && kept.length < 4096) this.answers[index] = Buffer.concat([kept, chunk]);
    });
    for (const socket of [from, onward]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
    }
    from.pipe(onward).pipe(from);
    from.once('close', () => onward.destroy());
    onward.once('close', () => from.destroy());
  }
}
