import { KubeConnectionError, KubeError } from '../errors.ts';

/** Why a reflector had to list or watch again. Label values of a metric: constant. */
export type RestartReason =
  /** The server ended the watch, as it does every few minutes. */
  | 'closed'
  /** The connection broke, could not be made, or carried nonsense. */
  | 'connection'
  /** Nothing came for longer than a healthy server is silent. */
  | 'silent'
  /** 410: the resourceVersion is too old. */
  | 'gone'
  /** 429: the server asks for patience. */
  | 'throttled'
  /** 401: the token is not taken. */
  | 'unauthorized'
  /** 403: reading this is not allowed (yet). */
  | 'forbidden'
  /** 404: the server does not know the resource (yet). */
  | 'not-found'
  /** 5xx. */
  | 'server-error'
  /** Anything else. */
  | 'other';

/** A watch was ended from our side because nothing came any more. */
export class SilentWatchError extends KubeConnectionError {}

const BY_STATUS: Readonly<Record<number, RestartReason>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  410: 'gone',
  429: 'throttled',
};

/** Sorts a failure of a list or watch. */
export function restartReason(error: unknown): RestartReason {
  if (error instanceof SilentWatchError) return 'silent';
  if (error instanceof KubeConnectionError) return 'connection';
  if (error instanceof KubeError)
    return BY_STATUS[error.status] ?? (error.status >= 500 ? 'server-error' : 'other');
  return 'other';
}
