import { bodyChunks } from './body-chunks.ts';
import type { Clock } from '#base/clock.ts';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import { H1Connection } from './connection-h1.ts';
import { H2Connection } from './connection-h2.ts';
import type { PingOptions } from './connection-h2.ts';
import type { Connection, WireRequest, WireResponse } from './connection.ts';
import { Deadline } from '#base/deadline.ts';
import { errorText } from '#base/error-text.ts';
import { unlessAborted } from '#base/unless-aborted.ts';
import { dial } from './dial.ts';
import { KubeAnswerTooLongError, KubeConnectionError } from '../errors.ts';
import { TokenCache } from './token-cache.ts';

export interface TransportOptions {
  readonly config: ClusterConfig;
  readonly clock: Clock;
  readonly userAgent?: string;
  /** TCP and TLS handshake together; default 10 s. */
  readonly connectTimeoutMs?: number;
  readonly ping?: PingOptions;
}

export interface TransportRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** Until the whole answer is there; of a stream: until its head is there. */
  readonly timeoutMs: number;
}

export interface TextResponse {
  readonly status: number;
  readonly headers: WireResponse['headers'];
  readonly text: string;
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
const DEFAULTS = { connectTimeoutMs: 10_000, ping: { pingEveryMs: 20_000, pingTimeoutMs: 10_000 } };

/**
 * Carries requests to one API server over one connection: HTTP/2 where the server agrees, else kept-alive HTTP/1.1. A
 * connection that breaks fails what is in flight on it with `KubeConnectionError`; the next request connects again. A
 * read on a connection that died of idleness is sent once more. A refused token (401) is read again and tried once more.
 */
export class Transport {
  readonly #config: ClusterConfig;
  readonly #clock: Clock;
  readonly #userAgent: string;
  readonly #connectTimeoutMs: number;
  readonly #ping: PingOptions;
  readonly #token: TokenCache | undefined;
  #connection: Connection | undefined;
  #dialing: Promise<Connection> | undefined;
  #closed = false;

  constructor(options: TransportOptions) {
    this.#config = options.config;
    this.#clock = options.clock;
    this.#userAgent = options.userAgent ?? 'mesh';
    this.#connectTimeoutMs = options.connectTimeoutMs ?? DEFAULTS.connectTimeoutMs;
    this.#ping = options.ping ?? DEFAULTS.ping;
    if (options.config.token) this.#token = new TokenCache(options.config.token, options.clock);
  }

  /** What the present connection speaks; undefined while there is none. */
  get protocol(): Connection['protocol'] | undefined {
    return this.#connection?.protocol;
  }

  /**
   * Sends a request and reads the whole answer.
   *
   * @param maxBytes a longer answer is an error
   * @throws KubeConnectionError; the signal's reason when that ended it
   */
  async request(request: TransportRequest, maxBytes: number): Promise<TextResponse> {
    const deadline = this.#deadline(request);
    try {
      const response = await this.#authorized(request, deadline.signal);
      const text = await readText(response, maxBytes, deadline.signal);
      return { status: response.status, headers: response.headers, text };
    } finally {
      deadline.clear();
    }
  }

  /**
   * Sends a request and hands out the answer's body as it comes; `close` must be called in the end. Errors of the body are
   * those of `request`.
   *
   * @param maxMs the longest the stream may stay open, in milliseconds
   */
  async open(
    request: TransportRequest,
    maxMs: number,
  ): Promise<{
    status: number;
    headers: WireResponse['headers'];
    chunks: AsyncIterable<Buffer>;
    close(): void;
  }> {
    const deadline = this.#deadline(request);
    try {
      const response = await this.#authorized(request, deadline.signal);
      const { status, headers, body } = response;
      deadline.within(maxMs, () => new KubeConnectionError('the API server let a stream run past its end'));
      const close = (): void => {
        deadline.clear();
        body.destroy();
      };
      return { status, headers, chunks: chunksOf(response, deadline.signal), close };
    } catch (error) {
      deadline.clear();
      throw error;
    }
  }

  /** Breaks the connection, and with it everything in flight. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#connection?.destroy(new Error('this client was closed'));
    this.#connection = undefined;
  }

  #deadline(request: TransportRequest): Deadline {
    const late = (): Error =>
      new KubeConnectionError(`no answer from the API server within ${request.timeoutMs} ms`);
    return new Deadline(this.#clock, request.signal).within(request.timeoutMs, late);
  }

  async #authorized(request: TransportRequest, signal: AbortSignal): Promise<WireResponse> {
    const response = await this.#send(await this.#wire(request, signal));
    if (response.status !== 401 || !this.#token) return response;
    this.#token.forget();
    response.body.on('error', () => undefined).destroy();
    return this.#send(await this.#wire(request, signal));
  }

  async #wire(request: TransportRequest, signal: AbortSignal): Promise<WireRequest> {
    const token = await this.#readToken();
    return {
      method: request.method,
      path: basePath(this.#config.server) + request.path,
      headers: {
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      ...(request.body === undefined ? {} : { body: request.body }),
      signal,
    };
  }

  async #readToken(): Promise<string | undefined> {
    if (!this.#token) return undefined;
    const { protocol, hostname } = new URL(this.#config.server);
    if (protocol !== 'https:' && !LOOPBACK.test(hostname)) {
      throw new KubeConnectionError(
        `a token is not sent to ${this.#config.server} in the clear; write https://`,
      );
    }
    try {
      return await this.#token.get();
    } catch (error) {
      throw new KubeConnectionError(
        `the token for the API server cannot be read: ${errorText(error)}`,
        error,
      );
    }
  }

  async #send(wire: WireRequest): Promise<WireResponse> {
    const connection = await this.#connected(wire.signal);
    const wasProven = connection.proven;
    try {
      return await connection.send(wire);
    } catch (error) {
      if (wire.signal.aborted) throw wire.signal.reason;
      // Only a read is safe to repeat: of a write nobody knows whether it was done.
      if (wire.method !== 'GET' || !wasProven) throw asConnectionError(error);
    }
    const again = await this.#connected(wire.signal);
    return again.send(wire).catch((error: unknown) => {
      throw wire.signal.aborted ? wire.signal.reason : asConnectionError(error);
    });
  }

  async #connected(signal: AbortSignal): Promise<Connection> {
    if (this.#closed) throw new KubeConnectionError('this client was closed');
    if (signal.aborted) throw signal.reason;
    if (this.#connection?.usable) return this.#connection;
    this.#dialing ??= this.#dial().finally(() => (this.#dialing = undefined));
    return unlessAborted(this.#dialing, signal);
  }

  async #dial(): Promise<Connection> {
    const dialOne = () => dial(this.#config, this.#clock, this.#connectTimeoutMs);
    const { socket, protocol } = await dialOne();
    if (this.#closed) {
      socket.destroy();
      throw new KubeConnectionError('this client was closed');
    }
    this.#connection =
      protocol === 'h2'
        ? new H2Connection(socket, this.#config.server, this.#clock, this.#ping)
        : new H1Connection(socket, this.#config.server, async () => (await dialOne()).socket);
    return this.#connection;
  }
}

async function readText(response: WireResponse, maxBytes: number, signal: AbortSignal): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response, signal)) {
    size += chunk.length;
    if (size > maxBytes) {
      response.body.destroy();
      throw new KubeAnswerTooLongError(`the API server's answer is longer than ${maxBytes} bytes`);
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function* chunksOf({ body, truncated }: WireResponse, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    yield* bodyChunks(body);
  } catch (error) {
    throw signal.aborted ? signal.reason : asConnectionError(error);
  }
  if (signal.aborted) throw signal.reason;
  if (truncated())
    throw new KubeConnectionError('the connection to the API server broke in the middle of an answer');
}

function asConnectionError(error: unknown): KubeConnectionError {
  if (error instanceof KubeConnectionError) return error;
  return new KubeConnectionError(`the connection to the API server broke: ${errorText(error)}`, error);
}

function basePath(server: string): string {
  return new URL(server).pathname.replace(/\/$/, '');
}
