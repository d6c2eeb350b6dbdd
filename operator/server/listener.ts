import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server as HttpServer, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

import type { Clock } from '#base/clock.ts';

import { ConnectionTable } from './connection-table.ts';
import { KnownNetworks } from './known-networks.ts';
import type { Connection, ConnectionLimits } from './connection-table.ts';
import { networkOf } from '#core/net/network-of.ts';

/** Limits of a request, times in milliseconds: a slow or silent client must not hold a place. */
export const REQUEST_LIMITS = {
  requestTimeout: 15_000,
  headersTimeout: 10_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
};
const BACKLOG = 1_024;

/** Why a connection was closed that a well-behaved client would have kept; the label `reason` of the metric. */
export type ClosedReason =
  /** Another came, and its network or all together held too many. */
  | 'network-limit'
  | 'total-limit'
  /** Every place was taken by a request that was being answered. */
  | 'busy'
  /** Its network has to wait, after requests of it were refused. */
  | 'barred'
  /** It began with something else than TLS. */
  | 'not-tls'
  /** No whole ClientHello in time. */
  | 'no-client-hello'
  /** A second request before the first was answered: no client of the mesh does that. */
  | 'pipelined';

/** What one port counts. */
export interface ListenerMetrics {
  /** Connections that were closed for their own or for others' sake. */
  closed(reason: ClosedReason): void;
  /** Connections that are open now. */
  open(count: number): void;
}

export interface ListenerOptions {
  readonly limits: ConnectionLimits;
  readonly metrics: ListenerMetrics;
  /** Whether the port is for a network, as far as can be said before its first word; those that have proven themselves are known too. Default: no other is. */
  readonly isKnown?: (network: string) => boolean;
  /** Whether connections of a network are closed before anything is done for them. Default: none are. */
  readonly isBarred?: (network: string) => boolean;
  readonly clock?: Clock;
}

/** What is to be done when the peer of a request's connection turns out to be one of those whom the port is for. */
const proofs = new WeakMap<Socket, () => void>();

/**
 * Says that a request is one for which the port is there: its connection is kept for the next (see {@link Connection.prove}). Every
 * other connection ends with its answer, so that whoever asks for nothing useful is held to the rate of new connections.
 */
export function proveConnection({ socket }: Pick<IncomingMessage, 'socket'>): void {
  proofs.get(socket)?.();
}

/**
 * A server that listens, and can end. Its connections are bounded, for each network and in all, and a newcomer always gets a
 * place (see {@link ConnectionTable}).
 */
export class Listener {
  readonly #server: HttpServer | HttpsServer;
  readonly #table: ConnectionTable;
  readonly #metrics: ListenerMetrics;
  readonly #isBarred: (network: string) => boolean;
  readonly #isKnown: (network: string) => boolean;
  readonly #known = new KnownNetworks();
  /** By both ends' addresses: the socket of a request over TLS is another object than the one that was accepted. */
  readonly #byPeer = new Map<string, Connection>();

  protected constructor(
    server: HttpServer | HttpsServer,
    { limits, metrics, isBarred, isKnown }: ListenerOptions,
  ) {
    this.#server = server;
    this.#table = new ConnectionTable(limits);
    this.#metrics = metrics;
    this.#isBarred = isBarred ?? (() => false);
    this.#isKnown = (network) => this.#known.has(network) || isKnown?.(network) === true;
    const [accept, ...more] = server.listeners('connection') as ((socket: Socket) => void)[];
    if (!accept || more.length > 0) throw new Error('this version of Node takes connections in another way');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => this.#connected(socket, () => accept.call(server, socket)));
    const [answer] = server.listeners('request') as RequestListener[];
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (this.#requested(request, response)) void answer?.(request, response);
    });
    // A client that goes away in the middle is its own affair; without a handler it would end the process.
    server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** @returns the port it listens on. */
  async listen(port: number, host?: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, backlog: BACKLOG, ...(host ? { host } : {}) }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no more, lets what is under way end, and cuts it after `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#server.closeAllConnections(), deadlineMs);
      this.#server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#server.closeIdleConnections();
      this.greetingsEnd();
    });
  }

  /** Hands a connection on to the protocol that it speaks. */
  protected accepted(_socket: Socket, _connection: Connection, accept: () => void): void {
    accept();
  }

  /** Closes what has not begun to speak the protocol. */
  protected greetingsEnd(): void {
    // Plain HTTP begins with the request.
  }

  /** @param socket as it was accepted */
  protected cut(socket: Socket, reason: ClosedReason): void {
    if (socket.destroyed) return;
    this.#metrics.closed(reason);
    // What is closed in order would stay in the kernel for a minute.
    socket.resetAndDestroy();
  }

  #connected(socket: Socket, accept: () => void): void {
    const network = networkOf(socket.remoteAddress ?? '');
    if (this.#isBarred(network)) {
      this.cut(socket, 'barred');
      return;
    }
    const origin = { network, isKnown: this.#isKnown(network) };
    const connection = this.#table.add(origin, (limit) => this.cut(socket, `${limit}-limit`));
    if (!connection) {
      this.cut(socket, 'busy');
      return;
    }
    const peer = peerOf(socket);
    this.#byPeer.set(peer, connection);
    this.#metrics.open(this.#table.size);
    socket.once('close', () => {
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
      connection.release();
      this.#metrics.open(this.#table.size);
    });
    this.accepted(socket, connection, accept);
  }

  /** @returns whether the request is to be answered */
  #requested(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request;
    const connection = this.#byPeer.get(peerOf(socket));
    if (!connection || socket.destroyed) return false;
    if (connection.isWorking) {
      this.#metrics.closed('pipelined');
      socket.destroy();
      return false;
    }
    const isKept = response.shouldKeepAlive;
    response.shouldKeepAlive = false;
    proofs.set(socket, () => {
      response.shouldKeepAlive = isKept;
      connection.prove();
      this.#known.add(connection.network);
    });
    const begin = (): void => {
      if (!response.writableEnded) connection.begin();
    };
    // Until its body is there, a request is nothing that would keep others from the place.
    if (hasBody(request)) request.once('end', begin);
    else begin();
    response.once('prefinish', () => connection.end());
    return true;
  }
}

/** Plain HTTP, for what every pod of the cluster may see. */
export class HttpListener extends Listener {
  constructor(app: RequestListener, options: ListenerOptions) {
    super(createHttpServer({ ...REQUEST_LIMITS }, app), options);
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Both ends of a connection, as text. */
export function peerOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress ?? ''} ${remotePort ?? 0} ${localAddress ?? ''}`;
}
