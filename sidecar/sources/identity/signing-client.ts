import type { X509Certificate } from 'node:crypto';
import { checkServerIdentity } from 'node:tls';
import type { PeerCertificate } from 'node:tls';

import { ResponseTooLongError, httpsExchange } from '#base/https-exchange.ts';
import type { HttpsResponse } from '#base/https-exchange.ts';
import { isRecord } from '#base/record.ts';
import { SIGN_PATH } from '#core/wire.ts';

/** What the operator answers to a certificate request. Nothing of it is trusted yet, see `leaf-check.ts`. */
interface SignedAnswer {
  /** Leaf, then intermediates. */
  readonly certificate: string;
}

/** The operator did not give a certificate. */
export class SigningError extends Error {
  override readonly name = 'SigningError';
  /** The operator's code, or `unreachable`, `timeout`, `bad-answer`, `no-token`. Constant words, fit for metrics. */
  readonly code: string;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    options: { readonly retryAfterMs?: number | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

interface SigningRequest {
  readonly csr: string;
  readonly service: string;
  /** By which the operator is verified: those of its own trust domain, never those of federated ones. */
  readonly roots: readonly X509Certificate[];
}

/** Asks for a certificate. Rejects with {@link SigningError} only. */
export type Sign = (request: SigningRequest, signal?: AbortSignal) => Promise<SignedAnswer>;

export interface SigningClientOptions {
  /** `https://host:port` of the operator. */
  readonly url: string;
  /** Reads the token again: the kubelet replaces it. */
  readonly readToken: () => Promise<string>;
  /** The name that the operator proves to have, where it is reached under another; default the URL's. */
  readonly serverName?: string;
  /** The address of this machine to ask from; default what the route there says. */
  readonly localAddress?: string;
  /** For the whole exchange, milliseconds. Default 10 s. */
  readonly timeoutMs?: number;
}

const MAX_ANSWER_BYTES = 256 * 1024;

/** A client of `POST /v1/sign`. Each request is a connection of its own: there is one in hours, and the operator may have moved. */
export function signingClient(options: SigningClientOptions): Sign {
  const { url, readToken, timeoutMs = 10_000 } = options;
  return async ({ csr, service, roots }, signal) => {
    let token: string;
    try {
      token = (await readToken()).trim();
    } catch (error) {
      throw new SigningError('no-token', `the token for the operator cannot be read (${errorCode(error)})`, {
        cause: error,
      });
    }
    const body = JSON.stringify({ csr, service });
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const response = await post(new URL(SIGN_PATH, url), {
        ...options,
        token,
        body,
        roots,
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      });
      return readAnswer(response);
    } catch (error) {
      if (error instanceof SigningError) throw error;
      if (error instanceof ResponseTooLongError)
        throw new SigningError(
          'bad-answer',
          `the operator's answer is longer than ${MAX_ANSWER_BYTES} bytes`,
        );
      if (deadline.aborted)
        throw new SigningError('timeout', `the operator did not answer within ${timeoutMs} ms`);
      throw new SigningError(
        'unreachable',
        `the operator at ${url} cannot be reached (${errorCode(error)})`,
        { cause: error },
      );
    }
  };
}

function post(
  url: URL,
  options: {
    readonly token: string;
    readonly body: string;
    readonly roots: readonly X509Certificate[];
    readonly signal: AbortSignal;
    readonly serverName?: string;
    readonly localAddress?: string;
  },
): Promise<HttpsResponse> {
  const { serverName, localAddress } = options;
  return httpsExchange(
    {
      method: 'POST',
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port || 443,
      path: url.pathname,
      // No agent: no kept connection and no kept TLS session, so that the server's certificate is checked each time.
      agent: false,
      ca: options.roots.map(String),
      minVersion: 'TLSv1.3',
      ...(serverName === undefined ? {} : namedServer(serverName)),
      ...(localAddress === undefined ? {} : { localAddress }),
      signal: options.signal,
      headers: {
        authorization: `Bearer ${options.token}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(options.body),
        connection: 'close',
      },
    },
    { body: options.body, maxBytes: MAX_ANSWER_BYTES },
  );
}

/** For a server that is reached under one name and proves another: which of the two is asked for on the way matters to nobody. */
function namedServer(name: string) {
  return {
    checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
      checkServerIdentity(name, certificate),
  };
}

function readAnswer({ status, headers, text }: HttpsResponse): SignedAnswer {
  const value = parseJson(text);
  if (status === 200) {
    if (typeof value.certificate !== 'string')
      throw new SigningError('bad-answer', "the operator's answer holds no certificate");
    return { certificate: value.certificate };
  }
  const error = isRecord(value.error) ? value.error : {};
  const code =
    typeof error.code === 'string' && /^[a-z][-a-z0-9_]{0,40}$/i.test(error.code)
      ? error.code
      : `http-${status}`;
  const message = typeof error.message === 'string' ? error.message.slice(0, 500) : 'no reason given';
  throw new SigningError(code, `the operator refused (${status}): ${message}`, {
    retryAfterMs: retryAfterMs(headers['retry-after']),
  });
}

function parseJson(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

/** Seconds form of Retry-After (RFC 9110, 10.2.3); a date is not used between our own. */
function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : undefined;
}

function errorCode(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
