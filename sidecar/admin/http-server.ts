import { createServer as createHttpServer } from 'node:http';
import type {
  IncomingHttpHeaders,
  IncomingMessage,
  Server as NodeHttpServer,
  ServerResponse,
} from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

import { systemClock } from '#base/clock.ts';
import type { Clock } from '#base/clock.ts';

import { resetSocket } from '../dataplane/bytes/reset.ts';
import { MAX_HEAD_BYTES } from './http-head.ts';
import { RequestPlaces } from './request-places.ts';
import type { OnShed } from './request-places.ts';
import type { RequestStream } from './request-stream.ts';

/** What a route answers. */
export interface AdminResponse {
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

export type Route = (request: AdminRequest) => AdminResponse | Promise<AdminResponse>;

export interface HttpServerOptions {
  /** All of these are listened on; a family that this machine does not have is passed over. */
  readonly hosts: readonly string[];
  /** 0 for any free one. */
  readonly port: number;
  readonly route: Route;
  /** Why a request is refused with 403 before its path is looked at; undefined serves it. Default: none is refused. */
  readonly guard?: (headers: IncomingHttpHeaders) => string | undefined;
  /** Whether a route reads bodies; elsewhere none is waited for. Default: false. */
  readonly takesBodies?: boolean;
  /** Paths that only those know who may ask: their requests have places of their own. Default: none. */
  readonly isPrivileged?: (path: string) => boolean;
  /** Called for every connection that is closed because there are too many. */
  readonly onShed?: OnShed;
  readonly clock?: Clock;
}

const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';
const MAX_BODY_BYTES = 4096;
/** For the head, for the body, and for the client to take the answer, milliseconds each; a route may take as long as it needs. */
const CLIENT_MS = 5_000;
const NO_SUCH_FAMILY = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);
const NOWHERE = 'http://sidecar';

/** A small HTTP server with limits on everything, for what people, the kubelet and Prometheus ask. A connection is one request. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #clock: Clock;
  /** Never listens itself: it reads heads and writes answers. */
  readonly #http: NodeHttpServer;
  readonly #places: RequestPlaces;
  #servers: Server[] = [];
  #port = 0;

  constructor(options: HttpServerOptions) {
    const { clock = systemClock, onShed = () => undefined } = options;
    this.#options = options;
    this.#clock = clock;
    this.#http = createHttpServer(
      { maxHeaderSize: MAX_HEAD_BYTES },
      (request, response) => void this.#serve(request, response),
    );
    // An expectation that is not known may be ignored (RFC 9110, section 10.1.1). Node would answer, and keep the connection.
    this.#http.on('checkExpectation', (request, response) => void this.#serve(request, response));
    this.#places = new RequestPlaces({
      clock,
      headMs: CLIENT_MS,
      maxBodyBytes: options.takesBodies ? MAX_BODY_BYTES + 1 : 0,
      onRequest: (stream) => void this.#http.emit('connection', stream),
      onShed,
    });
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
    this.#places.closeAll();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #listen(host: string): Promise<Server> {
    const server = createServer({ allowHalfOpen: true }, (socket) => void this.#places.accept(socket));
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
    const { raw } = request.socket as unknown as RequestStream;
    const url = urlOf(request);
    const privileged = this.#options.isPrivileged?.(url.pathname) ?? false;
    this.#places.enter(privileged ? 'probe' : 'response', raw);
    const answer = await this.#answer(request, url);
    const body = Buffer.from(answer.body);
    const late = this.#clock.setTimeout(() => resetSocket(raw), CLIENT_MS);
    raw.once('close', () => late.cancel());
    response.writeHead(answer.status, {
      'content-type': answer.type ?? TEXT_TYPE,
      'content-length': body.length,
      'x-content-type-options': 'nosniff',
      connection: 'close',
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answer(request: IncomingMessage, url: URL): Promise<AdminResponse> {
    const fault = this.#options.guard?.(request.headers);
    if (fault !== undefined) return text(fault, 403);
    try {
      return await this.#options.route({
        method: request.method === 'HEAD' ? 'GET' : (request.method ?? ''),
        path: url.pathname,
        query: url.searchParams,
        body: () => this.#body(request),
      });
    } catch (error) {
      return error instanceof BodyTooLong
        ? { status: 413, body: `a body has at most ${MAX_BODY_BYTES} bytes\n` }
        : { status: 500, body: 'this request failed\n' };
    }
  }

  async #body(request: IncomingMessage): Promise<string> {
    const { raw } = request.socket as unknown as RequestStream;
    const late = this.#clock.setTimeout(() => resetSocket(raw), CLIENT_MS);
    try {
      return await readBody(request);
    } finally {
      late.cancel();
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

/** What is not a valid path is taken for the root, which is served nowhere outside of the pod. */
function urlOf({ url = '/' }: IncomingMessage): URL {
  return new URL(URL.canParse(url, NOWHERE) ? url : '/', NOWHERE);
}

/** An object as an answer. */
export function json(value: unknown, status = 200): AdminResponse {
  return { status, body: `${JSON.stringify(value, undefined, 2)}\n`, type: JSON_TYPE };
}

export function text(body: string, status = 200): AdminResponse {
  return { status, body: `${body}\n` };
}
