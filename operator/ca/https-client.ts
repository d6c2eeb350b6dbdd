import { Agent } from 'node:https';
import type { RequestOptions } from 'node:https';

import type { RemoteSettings } from '#core/model/ca-providers.ts';
import type { Clock } from '#base/clock.ts';
import { Deadline } from '#base/deadline.ts';
import { failureText } from '#base/error-text.ts';
import { StaleConnectionError, httpsExchange } from '#base/https-exchange.ts';

/** A question to an authority's API. */
export interface HttpsRequest {
  readonly method: 'GET' | 'POST' | 'LIST';
  /** Absolute, encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: object;
  readonly signal?: AbortSignal;
}

export interface ApiResponse {
  readonly status: number;
  /** Parsed JSON; undefined when the body is empty or no JSON. Not to be trusted. */
  readonly body: unknown;
}

/** The authority's API cannot be reached, or what came back is no answer. Asking again may help. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

const MAX_ANSWER_BYTES = 1024 * 1024;
const TIMEOUT_MS = 10_000;

/**
 * Asks an authority's API over HTTPS: the certificate is always verified, answers are bounded in size and time, redirects are not
 * followed. A kept connection that the other side has closed meanwhile is replaced once; asking twice for a signature harms nobody.
 */
export class HttpsClient {
  readonly #who: string;
  readonly #settings: RemoteSettings;
  readonly #agent: Agent;
  readonly #timeoutMs: number;
  readonly #clock: Clock;

  /** @param who for errors, such as "Vault" */
  constructor(who: string, settings: RemoteSettings, clock: Clock, timeoutMs = TIMEOUT_MS) {
    this.#who = who;
    this.#settings = settings;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 16, timeout: 60_000 });
  }

  /**
   * @throws UnreachableError; the signal's reason when that ended it
   */
  async ask(question: HttpsRequest): Promise<ApiResponse> {
    const { signal } = question;
    signal?.throwIfAborted();
    const late = new Error(`no answer within ${this.#timeoutMs / 1000} s`);
    const deadline = new Deadline(this.#clock, signal).within(this.#timeoutMs, () => late);
    try {
      return await this.#once(question, deadline.signal).catch((error: unknown) => {
        if (error instanceof StaleConnectionError) return this.#once(question, deadline.signal);
        throw error;
      });
    } catch (error) {
      signal?.throwIfAborted();
      const why = failureText(deadline.signal.aborted ? late : error);
      throw new UnreachableError(`${this.#who} at ${this.#settings.address} cannot be reached: ${why}`);
    } finally {
      deadline.clear();
    }
  }

  /** Closes every connection; what is under way fails. */
  close(): void {
    this.#agent.destroy();
  }

  async #once(question: HttpsRequest, signal: AbortSignal): Promise<ApiResponse> {
    const body = question.body === undefined ? undefined : Buffer.from(JSON.stringify(question.body));
    const { status, text } = await httpsExchange(this.#options(question, body, signal), {
      ...(body === undefined ? {} : { body }),
      maxBytes: MAX_ANSWER_BYTES,
    });
    return { status, body: parsed(text) };
  }

  #options(question: HttpsRequest, body: Buffer | undefined, signal: AbortSignal): RequestOptions {
    const { address, caCertificate, tlsServerName } = this.#settings;
    const url = new URL(address);
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port || 443,
      method: question.method,
      path: question.path,
      agent: this.#agent,
      signal,
      headers: {
        accept: 'application/json',
        'user-agent': 'mesh-operator',
        ...(body ? { 'content-type': 'application/json', 'content-length': String(body.length) } : {}),
        ...question.headers,
      },
      ...(caCertificate === undefined ? {} : { ca: caCertificate }),
      ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
    };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
