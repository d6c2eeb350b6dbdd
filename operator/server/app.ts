import type { RequestListener } from 'node:http';

import express from 'express';
import type { ErrorRequestHandler, Express, RequestHandler } from 'express';

import { systemClock } from '#base/clock.ts';
import { errorText } from '#base/error-text.ts';
import type { Logger } from '#base/log.ts';

import { LimitedLog } from '#base/limited-log.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import type { Server } from './limits.ts';

/** Adds routes to an application. */
export type Mount = (app: Express) => void;

export interface AppDeps {
  readonly log: Logger;
  readonly metrics: Pick<OperatorMetrics, 'httpRequests' | 'logLinesLeftOut'>;
  /** Name of the server in metrics. */
  readonly server: Server;
  /** Paths that metrics tell apart. */
  readonly paths: readonly string[];
  readonly mounts: readonly Mount[];
}

/** Lines about requests that strangers send. */
const LOG_LIMITS = { burst: 50, perSecond: 5 };
const MAX_PATH_IN_LOG = 200;

/** An Express application that gives nothing away: no banner, opaque errors, a count of every answer. */
export function createApp({ log, metrics, server, paths, mounts }: AppDeps): RequestListener {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.use(count(metrics, server, new Set(paths)));
  for (const mount of mounts) mount(app);
  app.use((_request, response) => {
    response.status(404).json({ error: { code: 'not-found', message: 'there is nothing here' } });
  });
  app.use(onError(strangersLog(log, metrics, server)));
  // Express is itself a request listener; its type only knows its own, richer request.
  return app;
}

/** A log for what strangers cause at a port. */
export function strangersLog(
  log: Logger,
  metrics: Pick<OperatorMetrics, 'logLinesLeftOut'>,
  server: Server,
): Logger {
  const onLeftOut = (): void => metrics.logLinesLeftOut.inc({ server });
  return new LimitedLog({ log, clock: systemClock, limits: LOG_LIMITS, onLeftOut });
}

function count(metrics: AppDeps['metrics'], server: string, paths: ReadonlySet<string>): RequestHandler {
  return (request, response, next) => {
    const path = paths.has(request.path) ? request.path : 'other';
    response.once('finish', () =>
      metrics.httpRequests.inc({ server, path, code: String(response.statusCode) }),
    );
    next();
  };
}

function onError(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    const status = statusOf(error);
    const path = request.path.slice(0, MAX_PATH_IN_LOG);
    if (status >= 500) log.error({ err: error, path }, 'a request failed');
    else log.info({ status, path, detail: errorText(error) }, 'a request was refused');
    if (response.headersSent) {
      next(error);
      return;
    }
    const [code, message] = ANSWERS.get(status) ?? ['failed', 'the request could not be handled'];
    response.status(status).json({ error: { code, message } });
  };
}

const ANSWERS = new Map<number, readonly [string, string]>([
  [400, ['malformed', 'the body cannot be read as JSON']],
  [413, ['too-large', 'the body is larger than this path takes']],
  [415, ['unsupported', 'send application/json in UTF-8, not compressed']],
]);

function statusOf(error: unknown): number {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}
