import { text } from './http-server.ts';
import type { AdminRequest, Answer, Route } from './http-server.ts';
import { CONTENT_TYPE, exposition } from './metrics/exposition.ts';
import type { Family } from './metrics/exposition.ts';
import type { Probe, ProbeResult } from './probes/probe.ts';

export interface HealthOptions {
  readonly readiness: Readiness;
  readonly families: () => Iterable<Family>;
  /** `<container>/<kind>` of every rewritten probe. */
  readonly probes: ReadonlyMap<string, Probe>;
  readonly runProbe: (probe: Probe) => Promise<ProbeResult>;
}

/** What has to be there before traffic may come. */
export interface Readiness {
  /** What is still missing, in single words; empty when ready. */
  missing(): readonly string[];
}

const PROBE_PATH = '/probe/';

/**
 * What other pods may reach: health, readiness, metrics and the rewritten probes, and nothing else. Reading only.
 *
 * A probe that is under way is not begun again: its result goes to everybody who asks meanwhile, so that nobody can use us to
 * flood the application.
 */
export function healthRoutes({ readiness, families, probes, runProbe }: HealthOptions): Route {
  let started = false;
  const underWay = new Map<string, Promise<ProbeResult>>();

  const probe = (key: string, wanted: Probe): Promise<ProbeResult> => {
    const running = underWay.get(key);
    if (running) return running;
    const result = runProbe(wanted).finally(() => underWay.delete(key));
    underWay.set(key, result);
    return result;
  };

  return async ({ method, path }: AdminRequest): Promise<Answer> => {
    if (method !== 'GET') return text('only GET is served here', 405);
    const missing = readiness.missing();
    started ||= missing.length === 0;
    switch (path) {
      case '/healthz':
        return text('ok');
      case '/readyz':
        return missing.length === 0 ? text('ok') : text(`waiting for: ${missing.join(', ')}`, 503);
      case '/startup':
        return started ? text('ok') : text(`waiting for: ${missing.join(', ')}`, 503);
      case '/metrics':
        return { status: 200, body: exposition(families()), type: CONTENT_TYPE };
    }
    const key = path.startsWith(PROBE_PATH) ? path.slice(PROBE_PATH.length) : '';
    const wanted = probes.get(key);
    if (!wanted) return text('not found', 404);
    const { ok, message } = await probe(key, wanted);
    return text(message, ok ? 200 : 503);
  };
}
