import type { ResourceKind } from './kind.ts';
import { resourceName } from './kind.ts';
import { MAX_LISTED, MAX_LISTED_CHARACTERS } from './limits.ts';

/** One thing that is wrong with an object, as `details.causes` of a Status has it. */
export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

export interface ApiStatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly Cause[];
  readonly retryAfterSeconds?: number;
}

/** A request that is answered with a Status of failure. The words are Kubernetes' own where programs or people know them. */
export class ApiStatusError extends Error {
  override readonly name = 'ApiStatusError';
  readonly code: number;
  readonly reason: string;
  readonly details: ApiStatusDetails | undefined;

  constructor(code: number, reason: string, message: string, details?: ApiStatusDetails) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  get body(): object {
    const { code, reason, message, details } = this;
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details ? { details } : {}),
      code,
    };
  }
}

export function badRequest(message: string): ApiStatusError {
  return new ApiStatusError(400, 'BadRequest', message);
}

export function noSuchPath(): ApiStatusError {
  return new ApiStatusError(404, 'NotFound', 'the server could not find the requested resource');
}

export function notFound(kind: ResourceKind, name: string): ApiStatusError {
  return new ApiStatusError(
    404,
    'NotFound',
    `${resourceName(kind)} "${name}" not found`,
    details(kind, name),
  );
}

export function alreadyExists(kind: ResourceKind, name: string): ApiStatusError {
  return new ApiStatusError(
    409,
    'AlreadyExists',
    `${resourceName(kind)} "${name}" already exists`,
    details(kind, name),
  );
}

export function conflict(kind: ResourceKind, name: string, why: string): ApiStatusError {
  const message = `Operation cannot be fulfilled on ${resourceName(kind)} "${name}": ${why}`;
  return new ApiStatusError(409, 'Conflict', message, details(kind, name));
}

export function forbidden(kind: ResourceKind, name: string, why: string): ApiStatusError {
  const message = `${resourceName(kind)} ${name ? `"${name}" ` : ''}is forbidden: ${why}`;
  return new ApiStatusError(403, 'Forbidden', message, details(kind, name));
}

/** @param what what was sent, such as a media type */
export function unknownFormat(what: string): ApiStatusError {
  const message = `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml (not taken: ${what}; with kubectl, write the object in a file and use: kubectl apply -f FILE)`;
  return new ApiStatusError(415, 'UnsupportedMediaType', message);
}

export function expired(message: string): ApiStatusError {
  return new ApiStatusError(410, 'Expired', message);
}

export function methodNotAllowed(): ApiStatusError {
  const message = 'the server does not allow this method on the requested resource';
  return new ApiStatusError(405, 'MethodNotAllowed', message);
}

/** The first of many sentences, each cut where it is long, and how many more there are. */
export function listed(texts: readonly string[]): readonly string[] {
  const shown = texts.slice(0, MAX_LISTED).map((text) => text.slice(0, MAX_LISTED_CHARACTERS));
  return texts.length > shown.length ? [...shown, `and ${texts.length - shown.length} more`] : shown;
}

/** @param all at least one; of many the first are told */
export function invalid(kind: ResourceKind, name: string, all: readonly Cause[]): ApiStatusError {
  const causes = all.slice(0, MAX_LISTED).map(({ reason, message, field }) => ({
    reason,
    message: message.slice(0, MAX_LISTED_CHARACTERS),
    field: field.slice(0, MAX_LISTED_CHARACTERS),
  }));
  const texts = listed(all.map(({ field, message }) => `${field}: ${message}`));
  const list = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  const title = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  return new ApiStatusError(422, 'Invalid', `${title} "${name}" is invalid: ${list}`, {
    name,
    group: kind.group,
    kind: kind.kind,
    causes,
  });
}

function details(kind: ResourceKind, name: string): ApiStatusDetails {
  return { ...(name ? { name } : {}), ...(kind.group ? { group: kind.group } : {}), kind: kind.plural };
}
