import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a route answers. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

/** One request as a route sees it. */
export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Reads the body, at most {@link MAX_BODY_BYTES}. */
  body(): Promise<string>;
}

export type Route = (request: AdminRequest) => Answer | Promise<Answer>;

export interface HttpServerOptions {
  /** All of these are listened on; a family that this machine does not have is passed over. */
  readonly hosts: readonly string[];
  /** 0 for any free one. */
  readonly port: number;
  readonly route: Route;
  /** Why a request is refused with 403 before its path is looked at; undefined serves it. Default: none is refused. */
  readonly guard?: (headers: IncomingHttpHeaders) => string | undefined;
}

export const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';
const MAX_BODY_BYTES = 4096;
const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
};
const MAX_CONNECTIONS = 128;
const NO_SUCH_FAMILY = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);

/** A small HTTP server with limits on everything, for what people, the kubelet and Prometheus ask. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  #servers: Server[] = [];
  #port = 0;

  constructor(options: HttpServerOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  /** @throws Error when a port is taken. */
  async start(): Promise<void> {
    this.#port = this.#options.port;
    for (const host of this.#options.hosts) {
      try {
        const server = await this.#listen(host);
        this.#port = (server.address() as AddressInfo).port;
        this.#servers.push(server);
      } catch (error) {
        const { code = '', message } = error as NodeJS.ErrnoException;
        // "::" takes IPv4 as well where both families are there, and then the second host is taken already.
        if (NO_SUCH_FAMILY.has(code) || (code === 'EADDRINUSE' && this.#servers.length > 0)) continue;
        throw new Error(`cannot listen on port ${this.#port} of ${host}: ${message}`, { cause: error });
      }
    }
    if (this.#servers.length === 0)
      throw new Error(`none of the addresses ${this.#options.hosts.join(', ')} is on this machine`);
  }

  async stop(): Promise<void> {
    const servers = this.#servers;
    this.#servers = [];
    for (const server of servers) server.closeAllConnections();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #listen(host: string): Promise<Server> {
    const server = createServer(LIMITS, (request, response) => void this.#serve(request, response));
    server.maxConnections = MAX_CONNECTIONS;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port: this.#port }, () => {
        server.off('error', reject);
        server.on('error', () => undefined);
        resolve(server);
      });
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request);
    const body = Buffer.from(answer.body);
    response.writeHead(answer.status, {
      'content-type': answer.type ?? TEXT_TYPE,
      'content-length': body.length,
      'x-content-type-options': 'nosniff',
      // What is left of a body is not read.
      ...(request.complete ? {} : { connection: 'close' }),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const fault = this.#options.guard?.(request.headers);
    if (fault !== undefined) return text(fault, 403);
    try {
      const url = new URL(request.url ?? '/', 'http://sidecar');
      return await this.#options.route({
        method: request.method === 'HEAD' ? 'GET' : (request.method ?? ''),
        path: url.pathname,
        query: url.searchParams,
        body: () => readBody(request),
      });
    } catch (error) {
      return error instanceof BodyTooLong
        ? { status: 413, body: `a body has at most ${MAX_BODY_BYTES} bytes\n` }
        : { status: 500, body: 'this request failed\n' };
    }
  }
}

class BodyTooLong extends Error {}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new BodyTooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** An object as an answer. */
export function json(value: unknown, status = 200): Answer {
  return { status, body: `${JSON.stringify(value, undefined, 2)}\n`, type: JSON_TYPE };
}

export function text(body: string, status = 200): Answer {
  return { status, body: `${body}\n` };
}
