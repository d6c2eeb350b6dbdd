import { connect, constants } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';

import type { Clock, Timer } from '#base/clock.ts';
import { asError } from '#base/error-text.ts';
import type { Connection, WireRequest, WireResponse } from './connection.ts';
import { KubeConnectionError } from '../errors.ts';

/** Room for a page of a big list without waiting for window updates; the defaults are 64 KiB. */
const STREAM_WINDOW = 1024 * 1024;
const SESSION_WINDOW = 4 * 1024 * 1024;

export interface PingOptions {
  /** How often the server is asked whether it is there, in milliseconds. */
  readonly pingEveryMs: number;
  /** How long it may take to answer, in milliseconds. */
  readonly pingTimeoutMs: number;
}

/** One HTTP/2 session: every request and watch is a stream of it. Silence is probed with PING, and a dead session fails all. */
export class H2Connection implements Connection {
  readonly protocol = 'h2';
  readonly #session: ClientHttp2Session;
  readonly #clock: Clock;
  readonly #ping: PingOptions;
  #timer: Timer | undefined;
  #goingAway = false;
  #proven = false;
  #failure: Error | undefined;

  constructor(socket: Socket, server: string, clock: Clock, ping: PingOptions) {
    this.#clock = clock;
    this.#ping = ping;
    this.#session = connect(server, {
      createConnection: () => socket,
      settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
      maxSessionMemory: 64,
    });
    this.#session.once('connect', () => this.#session.setLocalWindowSize(SESSION_WINDOW));
    this.#session.on('error', (error: Error) => (this.#failure ??= error));
    this.#session.on('goaway', () => (this.#goingAway = true));
    this.#session.once('close', () => this.#timer?.cancel());
    this.#schedulePing();
  }

  get usable(): boolean {
    return !this.#goingAway && !this.#session.closed && !this.#session.destroyed;
  }

  get proven(): boolean {
    return this.#proven;
  }

  send(request: WireRequest): Promise<WireResponse> {
    return new Promise((resolve, reject) => {
      const stream = this.#open(request);
      let answered = false;
      const abort = (): void => {
        // Closing first makes the reset say "cancelled" rather than "internal error".
        stream.close(constants.NGHTTP2_CANCEL);
        stream.destroy(asError(request.signal.reason));
      };
      stream.once('response', (headers: IncomingHttpHeaders) => {
        answered = true;
        this.#proven = true;
        // A stream whose connection goes away ends like a complete one; only its reset code tells.
        const truncated = (): boolean =>
          stream.aborted || (stream.rstCode ?? 0) !== constants.NGHTTP2_NO_ERROR;
        resolve({ status: Number(headers[':status'] ?? 0), headers, body: stream, truncated });
      });
      stream.on('error', (error: Error) =>
        reject(request.signal.aborted ? asError(request.signal.reason) : this.#explain(error)),
      );
      stream.once('close', () => {
        request.signal.removeEventListener('abort', abort);
        // The last stream of a session that goes away ends it; nobody would otherwise.
        if (this.#goingAway) this.#session.close();
        if (!answered) reject(this.#explain());
      });
      if (request.signal.aborted) abort();
      else request.signal.addEventListener('abort', abort, { once: true });
    });
  }

  destroy(error?: Error): void {
    this.#failure ??= error;
    this.#timer?.cancel();
    this.#session.destroy(error);
  }

  #open(request: WireRequest): ClientHttp2Stream {
    const stream = this.#session.request(
      { ':method': request.method, ':path': request.path, ...request.headers },
      { endStream: request.body === undefined },
    );
    if (request.body !== undefined) stream.end(request.body);
    return stream;
  }

  #explain(error?: Error): KubeConnectionError {
    const cause = this.#failure ?? error;
    return new KubeConnectionError(
      `the connection to the API server broke: ${cause?.message ?? 'it closed the stream without an answer'}`,
      cause,
    );
  }

  #schedulePing(): void {
    this.#timer = this.#clock.setTimeout(() => this.#probe(), this.#ping.pingEveryMs);
  }

  #probe(): void {
    if (this.#session.destroyed) return;
    const dead = (): void =>
      this.destroy(new Error(`it did not answer a ping within ${this.#ping.pingTimeoutMs} ms`));
    this.#timer = this.#clock.setTimeout(dead, this.#ping.pingTimeoutMs);
    try {
      this.#session.ping((error: Error | null) => {
        this.#timer?.cancel();
        if (error) this.destroy(error);
        else if (!this.#session.destroyed) this.#schedulePing();
      });
    } catch (error) {
      this.destroy(asError(error));
    }
  }
}
