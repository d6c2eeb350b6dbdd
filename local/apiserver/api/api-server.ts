import type { ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import type { ObjectStore } from '../store/object-store.ts';
import type { Authenticator } from './access/authenticator.ts';
import type { Authorizer } from './access/authorizer.ts';
import type { User } from './access/user.ts';
import type { ApiResponse, ApiHandler } from './api-handler.ts';
import { isWatch } from './api-handler.ts';
import { Bodies, readBody } from './body.ts';
import { discovery } from './discovery/discovery.ts';
import { OpenApi } from './discovery/openapi.ts';
import type { Kinds } from './kinds.ts';
import { MAX_WATCHES } from './limits.ts';
import { EventTexts, Watch } from './read/watch.ts';
import { ApiStatusError, badRequest, noSuchPath } from './api-status-error.ts';
import type { ResourceRequest } from './request.ts';
import { readAddress } from './request.ts';

export interface ApiServerDeps {
  readonly store: ObjectStore;
  readonly kinds: Kinds;
  readonly clock: Clock;
  readonly log: Logger;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly handler: ApiHandler;
  readonly tls: { readonly certPem: string; readonly keyPem: string };
}

/** What the server says it is: the Kubernetes whose ways it follows. */
const VERSION = { major: '1', minor: '32', gitVersion: 'v1.32.0-mesh-dev', platform: process.platform };
const MAX_CONNECTIONS = 4_096;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const OPEN_PATHS = new Set(['/healthz', '/livez', '/readyz']);

type Request = Http2ServerRequest;
type Response = Http2ServerResponse;

/** The Kubernetes API over HTTPS, HTTP/2 and 1.1. */
export class ApiServer {
  readonly #deps: ApiServerDeps;
  readonly #openApi: OpenApi;
  readonly #texts = new EventTexts();
  readonly #bodies = new Bodies();
  readonly #server: Http2SecureServer;
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<Watch>();

  constructor(deps: ApiServerDeps) {
    this.#deps = deps;
    this.#openApi = new OpenApi(deps.kinds);
    this.#server = createSecureServer({
      key: deps.tls.keyPem,
      cert: deps.tls.certPem,
      allowHTTP1: true,
      minVersion: 'TLSv1.3',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      settings: { maxConcurrentStreams: 1_000 },
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('request', (request, response) => void this.#handle(request, response));
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
    this.#server.on('sessionError', () => undefined);
  }

  /** @returns the port. @throws Error with code EADDRINUSE */
  async listen(port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends every watch in order, then every connection. Idempotent. */
  async close(): Promise<void> {
    for (const watch of [...this.#watches]) watch.end();
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, 100).unref();
    await closed;
  }

  readonly #allPending = (): number => [...this.#watches].reduce((sum, { pending }) => sum + pending, 0);

  async #handle(request: Request, response: Response): Promise<void> {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    try {
      await this.#serve(request, response);
    } catch (error) {
      const refusal = error instanceof ApiStatusError ? error : this.#unexpected(error, request);
      const retry = refusal.details?.retryAfterSeconds;
      if (response.headersSent) return void response.destroy();
      if (retry !== undefined) response.setHeader('retry-after', String(retry));
      send(response, { status: refusal.code, body: refusal.body });
    }
  }

  #unexpected(err: unknown, request: Request): ApiStatusError {
    this.#deps.log.error(
      { err, method: request.method, path: request.url.split('?')[0] },
      'a request failed',
    );
    return new ApiStatusError(500, 'InternalError', 'the server could not do it; its log says why');
  }

  async #serve(request: Request, response: Response): Promise<void> {
    const url = readUrl(request.url);
    if (OPEN_PATHS.has(url.pathname)) return sendText(response, 'ok');
    const user = this.#user(request);
    const path = url.pathname.length > 1 ? url.pathname.replace(/\/$/, '') : url.pathname;
    const address = readAddress(path, this.#deps.kinds);
    if (!address) return this.#serveOther(request, response, path, user);
    const asked = {
      ...address,
      user,
      method: request.method,
      query: url.searchParams,
      contentType: (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim() ?? '',
      accept: request.headers.accept ?? '',
      userAgent: request.headers['user-agent'] ?? '',
    };
    this.#deps.handler.authorize(asked);
    const full: ResourceRequest = { ...asked, body: readBody(await this.#bodies.read(request), asked) };
    if (asked.method === 'GET' && isWatch(asked.query)) return this.#watch(full, response);
    send(response, await this.#deps.handler.answer(full));
  }

  #user(request: Request): User {
    const [, token = ''] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    const found = token === '' ? undefined : this.#deps.authenticator.user(token);
    if (!found) throw new ApiStatusError(401, 'Unauthorized', 'Unauthorized');
    // To ignore them would do as oneself what was meant to be done as somebody else.
    if (Object.keys(request.headers).some((name) => name.startsWith('impersonate-')))
      throw new ApiStatusError(403, 'Forbidden', 'impersonation is not supported here');
    return found.user;
  }

  #serveOther(request: Request, response: Response, path: string, user: User): void {
    const allowed = this.#deps.authorizer.allows(user, { verb: request.method.toLowerCase(), path });
    if (!allowed)
      throw new ApiStatusError(
        403,
        'Forbidden',
        `forbidden: User "${user.username}" cannot ${request.method.toLowerCase()} path "${path}"`,
      );
    if (path === '/version') return send(response, { status: 200, body: VERSION });
    if (path === '/openapi/v3') return send(response, { status: 200, body: this.#openApi.index() });
    if (path === '/openapi/v2') return this.#serveV2(request, response);
    const text = path.startsWith('/openapi/v3/')
      ? this.#openApi.document(path.slice('/openapi/v3/'.length))
      : undefined;
    if (text !== undefined) return sendText(response, text, 'application/json');
    const body = discovery(this.#deps.kinds, path);
    if (!body) throw noSuchPath();
    send(response, { status: 200, body });
  }

  #serveV2(request: Request, response: Response): void {
    const accept = request.headers.accept ?? '';
    if (accept !== '' && !/application\/json|\*\/\*/.test(accept))
      throw new ApiStatusError(406, 'NotAcceptable', 'only application/json is offered');
    send(response, { status: 200, body: this.#openApi.v2() });
  }

  #watch(request: ResourceRequest, response: Response): void {
    const { store, clock } = this.#deps;
    if (this.#watches.size >= MAX_WATCHES)
      throw new ApiStatusError(429, 'TooManyRequests', `${MAX_WATCHES} watches are open; try again`, {
        retryAfterSeconds: 1,
      });
    const sink = {
      write: (text: string) => void response.write(text),
      get pending() {
        return response.stream?.writableLength ?? response.writableLength;
      },
      end: () => void response.end(),
      destroy: () => void response.destroy(),
    };
    const watch = new Watch(
      { store, clock, texts: this.#texts, allPending: this.#allPending },
      request,
      sink,
    );
    response.once('close', () => {
      watch.stop();
      this.#watches.delete(watch);
    });
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    // HTTP/1.1 would keep them until there is an event; HTTP/2 has sent them.
    (response as unknown as Partial<ServerResponse>).flushHeaders?.();
    this.#watches.add(watch);
    watch.start(request.query);
  }
}

function readUrl(text: string): URL {
  try {
    return new URL(text, 'https://api');
  } catch {
    throw badRequest('the path cannot be read');
  }
}

function send(response: Response, { status, body, warnings = [] }: ApiResponse): void {
  // RFC 7234, 5.5; kubectl shows them.
  if (warnings.length > 0)
    response.setHeader(
      'warning',
      warnings.map((text) => `299 - ${JSON.stringify(text.replace(/[^\x20-\x7e]+/g, ' '))}`),
    );
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function sendText(response: Response, text: string, type = 'text/plain'): void {
  response.writeHead(200, { 'content-type': type });
  response.end(text);
}
