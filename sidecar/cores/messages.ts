import { LOG_LEVELS } from '#base/log-level.ts';
import type { LogLevel } from '#base/log-level.ts';

import type { AdminResponse } from '../admin/http-server.ts';
import type { ShutdownTimes } from '../process/shutdown.ts';
import { bool, num, object, oneOf, optionalText, readOr, text, texts } from './reading.ts';
import { readFamilies } from './family-data.ts';
import type { FamilyData } from './family-data.ts';

/**
 * What the primary and its workers say to one another: small objects over the channel of the child process, checked when they
 * are read. No key and no token is ever in one.
 */

/** A request to the local admin port, as a worker answers it for the primary. */
export interface LocalRequest {
  readonly method: string;
  readonly path: string;
  /** As in a URL, without the question mark. */
  readonly query: string;
  readonly body: string;
}

/** A peer vouches in one worker for a tunnel that another may have. */
export interface Vouch {
  /** Of the tunnel's proof; the proof itself stays in the worker. */
  readonly hash: string;
  /** Certificates of the peer, its own first, as PEM. */
  readonly shown: readonly string[];
}

/** What a worker may be asked, and what it answers. */
export interface Answers {
  /** What is missing before traffic may come. */
  readonly readiness: readonly string[];
  readonly metrics: readonly FamilyData[];
  readonly local: AdminResponse;
  /** Whether the worker has that tunnel, and judges it by these certificates from now on. */
  readonly vouch: boolean;
}

export type Ask =
  | { readonly subject: 'readiness' }
  | { readonly subject: 'metrics' }
  | ({ readonly subject: 'local' } & LocalRequest)
  | ({ readonly subject: 'vouch' } & Vouch);

export type ToWorker =
  | { readonly kind: 'ask'; readonly id: number; readonly ask: Ask }
  /** Open connections may finish within these times; then the worker ends. */
  | ({ readonly kind: 'stop'; readonly busy: boolean } & ShutdownTimes)
  /** Whether the primary waits for the application, which may need the way out of the pod for its answer. */
  | { readonly kind: 'busy'; readonly busy: boolean }
  | { readonly kind: 'log-level'; readonly level: LogLevel }
  | { readonly kind: 'vouched'; readonly id: number; readonly renewed: boolean };

export type FromWorker =
  /** Its ports are open. */
  | { readonly kind: 'started' }
  /** The operator wants the sidecar to end. */
  | { readonly kind: 'finish' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  /** Asks the other workers; `vouched` is the answer. */
  | ({ readonly kind: 'vouch'; readonly id: number } & Vouch);

/** @returns undefined for anything that is not a message of ours */
export function readToWorker(value: unknown): ToWorker | undefined {
  return readOr(undefined, () => {
    const from = object(value);
    switch (from['kind']) {
      case 'ask':
        return { kind: 'ask', id: num(from['id']), ask: readAsk(from['ask']) };
      case 'stop':
        return {
          kind: 'stop',
          busy: bool(from['busy']),
          minimumMs: num(from['minimumMs']),
          deadlineMs: num(from['deadlineMs']),
        };
      case 'busy':
        return { kind: 'busy', busy: bool(from['busy']) };
      case 'log-level':
        return { kind: 'log-level', level: oneOf(LOG_LEVELS, from['level']) };
      case 'vouched':
        return { kind: 'vouched', id: num(from['id']), renewed: bool(from['renewed']) };
      default:
        return undefined;
    }
  });
}

/** @returns undefined for anything that is not a message of ours */
export function readFromWorker(value: unknown): FromWorker | undefined {
  return readOr(undefined, () => {
    const from = object(value);
    switch (from['kind']) {
      case 'started':
        return { kind: 'started' };
      case 'finish':
        return { kind: 'finish' };
      case 'answer':
        return { kind: 'answer', id: num(from['id']), value: from['value'] };
      case 'vouch':
        return { kind: 'vouch', id: num(from['id']), ...readVouch(from) };
      default:
        return undefined;
    }
  });
}

/**
 * How the value of an answer is read.
 *
 * @throws TypeError where it is something else
 */
export const READ_ANSWER: { readonly [S in keyof Answers]: (value: unknown) => Answers[S] } = {
  readiness: texts,
  metrics: readFamilies,
  vouch: bool,
  local: (value) => {
    const from = object(value);
    return {
      status: num(from['status']),
      body: text(from['body']),
      ...optionalText('type', from['type']),
    };
  },
};

function readVouch(from: Readonly<Record<string, unknown>>): Vouch {
  return { hash: text(from['hash']), shown: texts(from['shown']) };
}

function readAsk(value: unknown): Ask {
  const from = object(value);
  const subject = oneOf(['readiness', 'metrics', 'local', 'vouch'], from['subject']);
  if (subject === 'vouch') return { subject, ...readVouch(from) };
  if (subject !== 'local') return { subject };
  return {
    subject,
    method: text(from['method']),
    path: text(from['path']),
    query: text(from['query']),
    body: text(from['body']),
  };
}
