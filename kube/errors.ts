/** What can go wrong between us and an API server: it refuses (`KubeError`), or it cannot be talked to (`KubeConnectionError`). */

export interface KubeErrorFields {
  /** HTTP status. */
  readonly status: number;
  /** The API's own CamelCase reason, such as `NotFound`; empty when it gave none. */
  readonly reason: string;
  readonly message: string;
  /** How long the server asks us to wait. */
  readonly retryAfterMs?: number;
}

/** The API server answered, and the answer is no. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(fields: KubeErrorFields) {
    super(fields.message);
    this.status = fields.status;
    this.reason = fields.reason;
    this.retryAfterMs = fields.retryAfterMs;
  }
}

/** The API server could not be reached, went away in the middle, or answered something that is not Kubernetes. */
export class KubeConnectionError extends Error {
  override readonly name = 'KubeConnectionError';

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** No connection to the API server could be made, so that the attempt cost it nothing. */
export class KubeUnreachableError extends KubeConnectionError {}

/** The answer is longer than is read; for a list, shorter pages help. */
export class KubeAnswerTooLongError extends KubeConnectionError {}

/** 404: there is no such object (or no such resource type). */
export function isNotFound(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 404;
}

/** 409 of an update: somebody else wrote the object since it was read. */
export function isConflict(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 409 && error.reason !== 'AlreadyExists';
}

/** 409 of a create: an object of that name is there. */
export function isAlreadyExists(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 409 && error.reason === 'AlreadyExists';
}

/** 410: the resourceVersion or continue token is too old; list again. */
export function isGone(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 410;
}

/** Whether asking again can help: the API server is away, busy or broken, but has not said no. */
export function isApiAway(error: unknown): boolean {
  return (
    error instanceof KubeConnectionError ||
    (error instanceof KubeError && (error.status === 429 || error.status >= 500))
  );
}
