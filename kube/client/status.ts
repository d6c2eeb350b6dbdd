import { KubeError } from '../errors.ts';

/** The body of a refusal (`kind: Status`), before anything in it is trusted. */
interface StatusBody {
  readonly kind?: unknown;
  readonly message?: unknown;
  readonly reason?: unknown;
  readonly code?: unknown;
  readonly details?: { readonly retryAfterSeconds?: unknown };
}

const MAX_MESSAGE = 2000;
const MAX_RETRY_AFTER_S = 600;

/** The error an answer with a status of 300 or more stands for. @param retryAfter the header of that name */
export function refusal(
  status: number,
  text: string,
  what: string,
  retryAfter?: string | string[],
): KubeError {
  let body: StatusBody = {};
  try {
    body = (JSON.parse(text) ?? {}) as StatusBody;
  } catch {
    // A proxy in between may answer with a page; its status says enough.
  }
  const retryAfterMs = readRetryAfter(body, typeof retryAfter === 'string' ? retryAfter : undefined);
  return new KubeError({
    status,
    reason: typeof body.reason === 'string' ? body.reason.slice(0, 100) : '',
    message: `${what}: ${typeof body.message === 'string' && body.message ? body.message.slice(0, MAX_MESSAGE) : `HTTP status ${status}`}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** The error an `ERROR` event of a watch stands for; its object is a Status. */
export function refusalOfEvent(object: unknown, what: string): KubeError {
  const code = (object as StatusBody | null)?.code;
  return refusal(typeof code === 'number' ? code : 500, JSON.stringify(object ?? {}), what);
}

function readRetryAfter(body: StatusBody, header: string | undefined): number | undefined {
  const fromBody = body.details?.retryAfterSeconds;
  const seconds = typeof fromBody === 'number' && fromBody > 0 ? fromBody : Number(header ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, MAX_RETRY_AFTER_S) * 1000 : undefined;
}
