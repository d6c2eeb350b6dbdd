import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

import type { BodyBudget } from '../server/body-budget.ts';
import { proveConnection } from '../server/listener.ts';
import { readBody } from '../server/read-body.ts';
import type { BodyRefusal } from '../server/read-body.ts';
import type { Endpoint } from './path-part.ts';
import type { PathMatch } from './path-match.ts';

export interface WebhookHandlerDeps {
  readonly paths: Pick<PathMatch, 'endpoint'>;
  /** Answers the body of a review; never throws. */
  readonly answer: (
    endpoint: Endpoint,
    body: Uint8Array,
  ) => Promise<{ readonly status: number; readonly json: object }>;
  /** Longer bodies are refused, bytes. */
  readonly maxBytes: number;
  /** Memory for the bodies of ordinary reviews, and for those that are longer than `LARGE_BYTES`: these must not take it from the others. */
  readonly budgets: { readonly small: BodyBudget; readonly large: BodyBudget };
  /** Counts every answer. */
  readonly counted: (endpoint: Endpoint | 'other', status: number) => void;
  /** Counts bodies that were refused. */
  readonly refused: (reason: BodyRefusal) => void;
}

/** Pods and rules are far smaller; a MeshConfig with foreign bundles may be larger. */
export const LARGE_BYTES = 256 * 1024;
const RETRY_SECONDS = '1';

interface WebhookResponse {
  readonly status: number;
  readonly json: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * The webhooks' HTTP: `POST` to a registered path with a body of known length. Everything else is answered without its body being
 * read, and where the path is another, in one and the same way: nobody learns from an answer how near they are.
 */
export function webhookHandler(deps: WebhookHandlerDeps): RequestListener {
  return (request, response) => {
    const endpoint = deps.paths.endpoint(request.url ?? '');
    if (endpoint === undefined) {
      send(request, response, { status: 404, json: { error: 'there is nothing here' } });
      deps.counted('other', 404);
      return;
    }
    // Only the API server knows the path.
    proveConnection(request);
    void answerTo(request, endpoint, deps).then((answer) => {
      if (answer) send(request, response, answer);
      if (answer) deps.counted(endpoint, answer.status);
      else request.socket.destroy();
    });
  };
}

async function answerTo(
  request: IncomingMessage,
  endpoint: Endpoint,
  deps: WebhookHandlerDeps,
): Promise<WebhookResponse | undefined> {
  const unfit = headFault(request);
  if (unfit) return unfit;
  const { maxBytes, budgets } = deps;
  const budget = Number(request.headers['content-length'] ?? 0) > LARGE_BYTES ? budgets.large : budgets.small;
  const body = await readBody(request, { maxBytes, budget });
  if (typeof body === 'string') {
    deps.refused(body);
    return bodyRefused(body, maxBytes);
  }
  try {
    return await deps.answer(endpoint, body.bytes);
  } finally {
    body.release();
  }
}

function headFault({ method, headers }: IncomingMessage): WebhookResponse | undefined {
  if (method !== 'POST') return { status: 405, json: { error: 'write POST' }, headers: { Allow: 'POST' } };
  const [type = ''] = (headers['content-type'] ?? '').split(';', 1);
  if (type.trim().toLowerCase() !== 'application/json')
    return { status: 415, json: { error: 'write Content-Type: application/json' } };
  const { 'content-encoding': encoding = 'identity' } = headers;
  if (encoding !== 'identity')
    return { status: 415, json: { error: 'send the body as it is, not compressed' } };
  return undefined;
}

function bodyRefused(reason: BodyRefusal, maxBytes: number): WebhookResponse | undefined {
  switch (reason) {
    case 'length-required':
      return { status: 411, json: { error: 'write Content-Length' } };
    case 'too-large':
      return { status: 413, json: { error: `the body is larger than ${maxBytes} bytes` } };
    case 'no-room':
    case 'evicted':
      return {
        status: 503,
        json: { error: 'too many bodies at once; send it again' },
        headers: { 'Retry-After': RETRY_SECONDS },
      };
    case 'incomplete':
      return undefined;
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, json, headers = {} }: WebhookResponse,
): void {
  const text = JSON.stringify(json);
  // What was not read must not be taken for the next request.
  const close = request.complete ? {} : { Connection: 'close' };
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(text)),
    ...headers,
    ...close,
  });
  response.end(text);
}
