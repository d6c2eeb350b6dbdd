import { LOG_LEVELS } from '#base/log-level.ts';

import type { AdminRequest, AdminResponse, Route } from '../admin/http-server.ts';
import { metricsAnswer } from '../admin/health-routes.ts';
import { json, text } from '../admin/http-server.ts';
import type { Family } from '../admin/metrics/exposition.ts';
import type { LevelLog } from '../admin/level-log.ts';
import { allAnswers, catalogOf, certificatesOf, connectionsOf } from './local-answers.ts';
import type { Numbered } from './local-answers.ts';
import type { LocalRequest } from './messages.ts';
import type { Workers } from './workers.ts';

export interface MergedLocalOptions {
  readonly workers: Pick<Workers, 'askAll' | 'tellLevel'>;
  readonly log: Pick<LevelLog, 'level' | 'setLevel'>;
  readonly missing: () => Promise<readonly string[]>;
  /** The metrics of all processes as those of one, with who the peers are. */
  readonly families: () => Promise<Iterable<Family>>;
  /** Ends the sidecar after its open connections. */
  readonly quit: () => void;
}

/**
 * The routes of the local admin port for all workers together: what is the same in all is asked of one, what differs is summed
 * or listed, and what changes something changes it in all.
 */
export function mergedLocalRoutes({ workers, log, missing, families, quit }: MergedLocalOptions): Route {
  const ask = async (request: AdminRequest): Promise<readonly Numbered<AdminResponse>[]> =>
    allAnswers(await workers.askAll<'local'>(await localAsk(request)));
  const merged =
    (merge: (parts: readonly Numbered<object>[]) => object): Route =>
    async (request) => {
      const answers = await ask(request);
      const parts = answers.flatMap(({ worker, value }) => {
        const part = value.status === 200 ? parsed(value.body) : undefined;
        return part ? [{ worker, value: part }] : [];
      });
      return parts.length === 0 ? (answers[0]?.value ?? NOBODY) : json(merge(parts));
    };
  const routes: Readonly<Record<string, Route>> = {
    'GET /config': async (request) => {
      const lacking = await missing();
      return merged(([first]) => ({ ...first?.value, missing: lacking }))(request);
    },
    'GET /certificate': merged(certificatesOf),
    'GET /metrics': async () => metricsAnswer(await families()),
    'GET /connections': merged(connectionsOf),
    'GET /catalog': merged(catalogOf),
    'GET /log-level': () => text(log.level),
    'PUT /log-level': async (request) => {
      const wanted = (await request.body()).trim();
      const level = LOG_LEVELS.find((one) => one === wanted);
      if (!level) return text(`write one of ${LOG_LEVELS.join(', ')}`, 400);
      log.setLevel(level);
      workers.tellLevel(level);
      return text(level);
    },
    'POST /quit': () => {
      quit();
      return text('ending after the open connections');
    },
  };
  const fromOne: Route = async (request) => (await ask(request))[0]?.value ?? NOBODY;
  return (request) => {
    const route = routes[`${request.method} ${request.path}`];
    if (route) return route(request);
    // Everything else that a worker knows only reads, and is the same in all of them.
    return request.method === 'GET' ? fromOne(request) : notServed(request, Object.keys(routes));
  };
}

const NOBODY = text('no worker answers', 503);

/** Only what is asked of this process may change something; a worker is never given such a request. */
function notServed({ path }: AdminRequest, known: readonly string[]): AdminResponse {
  return known.some((name) => name.endsWith(` ${path}`))
    ? text('another method is served here', 405)
    : text('not found', 404);
}

async function localAsk(request: AdminRequest): Promise<{ readonly subject: 'local' } & LocalRequest> {
  const { method, path, query } = request;
  return { subject: 'local', method, path, query: query.toString(), body: await request.body() };
}

function parsed(body: string): object | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
