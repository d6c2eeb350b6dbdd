import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import type { RequestOptions } from 'node:https';

/** A response as it came, whole. Nothing in it is to be trusted. */
export interface HttpsResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A response was longer than its reader takes. */
export class ResponseTooLongError extends Error {
  override readonly name = 'ResponseTooLongError';

  constructor(maxBytes: number) {
    super(`its answer is longer than ${maxBytes} bytes`);
  }
}

/** A kept connection was closed by the other side before it took the request: a new connection may do better. */
export class StaleConnectionError extends Error {
  override readonly name = 'StaleConnectionError';

  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

/**
 * Makes one HTTPS request and reads its response, which is bounded: of a longer one no more is read than the limit, and its
 * connection is closed. Redirects are not followed. The certificate is verified unless the options say otherwise; give a signal
 * that ends the exchange in time, since there is no other limit to it.
 *
 * @param options as `https.request` takes them
 * @param maxBytes of the body
 * @throws ResponseTooLongError; StaleConnectionError where the agent keeps connections; what Node says of a failed connection
 */
export function httpsExchange(
  options: RequestOptions,
  { body, maxBytes }: { readonly body?: string | Buffer; readonly maxBytes: number },
): Promise<HttpsResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ minVersion: 'TLSv1.2', rejectUnauthorized: true, ...options }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) response.destroy(new ResponseTooLongError(maxBytes));
        else chunks.push(chunk);
      });
      response.once('error', reject);
      response.once('end', () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, text: Buffer.concat(chunks).toString('utf8') });
      });
    });
    outgoing.on('error', (error) => {
      const isStale = outgoing.reusedSocket && options.signal?.aborted !== true;
      reject(isStale ? new StaleConnectionError(error) : error);
    });
    outgoing.end(body);
  });
}
