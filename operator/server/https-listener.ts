import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';

import { systemClock } from '#base/clock.ts';
import { secureContextOptions } from '#pki/tls-options.ts';

import { readGreeting } from './read-greeting.ts';
import type { Connection } from './connection-table.ts';
import { HandshakeTurns } from './handshake-turns.ts';
import type { HandshakeEnd } from './handshake-turns.ts';
import { Listener, REQUEST_LIMITS, peerOf } from './listener.ts';
import type { ListenerOptions } from './listener.ts';
import type { ServingPair } from './serving-certificate.ts';

const GREETING_TIMEOUT_MS = 5_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * HTTPS with TLS 1.3 only, whose certificate can be exchanged while it runs. TLS state, which takes fifteen times the memory of a
 * bare connection, is made when a whole ClientHello is there.
 */
export class HttpsListener extends Listener {
  readonly #https: Server;
  readonly #turns: HandshakeTurns;
  /** Those under way, by both ends' addresses. */
  readonly #handshakes = new Map<string, HandshakeEnd>();
  readonly #greeting = new Set<Socket>();

  constructor(app: RequestListener, pair: ServingPair, options: ListenerOptions) {
    const server = createServer(
      {
        ...secureContextOptions(pair),
        ...REQUEST_LIMITS,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        ALPNProtocols: ['http/1.1'],
      },
      app,
    );
    super(server, options);
    this.#https = server;
    this.#turns = new HandshakeTurns(options.clock ?? systemClock);
    server.on('secureConnection', (socket) => {
      const peer = peerOf(socket);
      this.#finished(peer, this.#handshakes.get(peer));
    });
    server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  /** New connections see the new certificate; open ones go on. */
  useCertificate(pair: ServingPair): void {
    this.#https.setSecureContext(secureContextOptions(pair));
  }

  protected override accepted(socket: Socket, connection: Connection, accept: () => void): void {
    this.#greeting.add(socket);
    const timer = setTimeout(() => this.cut(socket, 'no-client-hello'), GREETING_TIMEOUT_MS);
    timer.unref();
    const done = (): void => {
      clearTimeout(timer);
      this.#greeting.delete(socket);
    };
    socket.once('close', done);
    socket.on('error', () => undefined);
    readGreeting(socket, (greeting) => {
      if (greeting === 'malformed') {
        this.cut(socket, 'not-tls');
        return;
      }
      this.#turns.add(
        connection,
        () => socket.destroyed,
        (ended) => {
          done();
          const peer = peerOf(socket);
          this.#handshakes.set(peer, ended);
          socket.once('close', () => this.#finished(peer, ended));
          accept();
        },
      );
    });
  }

  #finished(peer: string, ended: HandshakeEnd | undefined): void {
    ended?.();
    if (this.#handshakes.get(peer) === ended) this.#handshakes.delete(peer);
  }

  protected override greetingsEnd(): void {
    for (const socket of this.#greeting) socket.destroy();
  }
}
