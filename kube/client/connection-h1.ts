import { Agent, request as httpRequest } from 'node:http';
import type { AgentOptions, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import { asError } from '#base/error-text.ts';

import type { Connection, WireRequest, WireResponse } from './connection.ts';
import { KubeConnectionError } from '../errors.ts';

const MAX_IDLE_SOCKETS = 4;

/** HTTP/1.1 to a server that has no HTTP/2: a pool of kept-alive sockets, one per request that is under way. */
export class H1Connection implements Connection {
  readonly protocol = 'http/1.1';
  readonly #host: string;
  readonly #pool: SocketPool;
  #proven = false;
  #usable = true;

  /** @param first the socket on which the protocol was agreed; @param dialMore connects further ones */
  constructor(first: Socket, server: string, dialMore: () => Promise<Socket>) {
    this.#host = new URL(server).host;
    this.#pool = new SocketPool(first, async () => {
      try {
        return await dialMore();
      } catch (error) {
        // The server cannot be reached any more: the next request negotiates again, perhaps with another server.
        this.retire();
        throw error;
      }
    });
  }

  get usable(): boolean {
    return this.#usable;
  }

  get proven(): boolean {
    return this.#proven;
  }

  send(request: WireRequest): Promise<WireResponse> {
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({
        agent: this.#pool,
        method: request.method,
        path: request.path,
        headers: {
          host: this.#host,
          ...request.headers,
          ...(request.body === undefined ? {} : { 'content-length': Buffer.byteLength(request.body) }),
        },
      });
      let incoming: IncomingMessage | undefined;
      const abort = (): void => {
        incoming?.destroy(asError(request.signal.reason));
        outgoing.destroy(asError(request.signal.reason));
      };
      outgoing.once('response', (response) => {
        incoming = response;
        this.#proven = true;
        const truncated = (): boolean => !response.complete;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response, truncated });
      });
      outgoing.on('error', (error) =>
        reject(request.signal.aborted ? asError(request.signal.reason) : explain(error)),
      );
      outgoing.once('close', () => request.signal.removeEventListener('abort', abort));
      if (request.signal.aborted) abort();
      else request.signal.addEventListener('abort', abort, { once: true });
      outgoing.end(request.body);
    });
  }

  /** Takes no new requests; those under way go on. */
  retire(): void {
    this.#usable = false;
    this.#pool.retire();
  }

  destroy(): void {
    this.#usable = false;
    this.#pool.destroy();
  }
}

/** Node's pool, with our own way to connect. */
class SocketPool extends Agent {
  #first: Socket | undefined;
  readonly #dialMore: () => Promise<Socket>;
  #destroyed = false;

  constructor(first: Socket, dialMore: () => Promise<Socket>) {
    super({ keepAlive: true, maxFreeSockets: MAX_IDLE_SOCKETS } satisfies AgentOptions);
    this.#first = first;
    this.#dialMore = dialMore;
  }

  override createConnection(
    _options: object,
    callback: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const first = this.#first;
    this.#first = undefined;
    if (first && !first.destroyed) callback(null, first);
    else
      this.#dialMore().then(
        (socket) => {
          if (!this.#destroyed) return callback(null, socket);
          socket.destroy();
          callback(new Error('this client was closed'), undefined as unknown as Duplex);
        },
        (error: unknown) => callback(asError(error), undefined as unknown as Duplex),
      );
  }

  retire(): void {
    this.maxFreeSockets = 0;
    this.#first?.destroy();
    for (const idle of Object.values(this.freeSockets)) for (const socket of idle ?? []) socket.destroy();
  }

  override destroy(): void {
    this.#destroyed = true;
    this.#first?.destroy();
    super.destroy();
  }
}

function explain(error: Error): KubeConnectionError {
  if (error instanceof KubeConnectionError) return error;
  return new KubeConnectionError(`the connection to the API server broke: ${error.message}`, error);
}
