import { text } from './http-server.ts';
import type { AdminRequest, AdminResponse } from './http-server.ts';
import { CONTENT_TYPE, exposition } from './metrics/exposition.ts';
import { totalsOf } from './metrics/totals.ts';
import type { Family } from './metrics/exposition.ts';
import type { Probe, ProbeResult } from '../config/probe.ts';

export interface HealthOptions {
  readonly readiness: { missing(): Now<readonly string[]> };
  readonly families: () => Now<Iterable<Family>>;
  /** Every rewritten probe, by `<container>/<kind>-<secret>`. */
  readonly probes: ReadonlyMap<string, Probe>;
  /** What ends the paths of the sidecar's own probes; empty where there are none. */
  readonly probeSecret: string;
  readonly runProbe: (probe: Probe) => Promise<ProbeResult>;
}

/** Known in this process, or asked of others. */
type Now<T> = T | Promise<T>;

/** What has to be there before traffic may come. */
export interface Readiness {
  /** What is still missing, in single words; empty when ready. */
  missing(): readonly string[];
}

const PROBE_PATH = '/probe/';

/**
 * What other pods may reach: health, readiness, totals of the metrics, and, for who knows their paths, the rewritten probes. Reading
 * only.
 *
 * A probe that is under way is not begun again: its result goes to everybody who asks meanwhile, so that nobody can use us to
 * flood the application.
 */
export class HealthRoutes {
  readonly #options: HealthOptions;
  readonly #underWay = new Map<string, Promise<ProbeResult>>();
  #started = false;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Probes and hooks that the application has not answered yet. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Whether a path is one that the kubelet asks for: only who may read the pod knows those. */
  isProbe(path: string): boolean {
    return this.#options.probes.has(keyOf(path)) || this.#isOwnProbe(path);
  }

  readonly route = async (request: AdminRequest): Promise<AdminResponse> => {
    if (request.method !== 'GET') return text('only GET is served here', 405);
    const { families, probes, probeSecret } = this.#options;
    const path = this.#isOwnProbe(request.path)
      ? request.path.slice(0, -`/${probeSecret}`.length)
      : request.path;
    switch (path) {
      case '/healthz':
        return text('ok');
      case '/readyz':
        return this.#readiness();
      case '/startup':
        return this.#started ? text('ok') : this.#readiness();
      case '/metrics':
        return metricsAnswer([...(await families())].map(totalsOf));
    }
    const key = keyOf(path);
    const probe = probes.get(key);
    if (!probe) return text('not found', 404);
    const { ok, message } = await this.#run(key, probe);
    return text(message, ok ? 200 : 503);
  };

  #isOwnProbe(path: string): boolean {
    const { probeSecret } = this.#options;
    return probeSecret !== '' && (path === `/readyz/${probeSecret}` || path === `/startup/${probeSecret}`);
  }

  async #readiness(): Promise<AdminResponse> {
    const missing = await this.#options.readiness.missing();
    this.#started ||= missing.length === 0;
    return missing.length === 0 ? text('ok') : text(`waiting for: ${missing.join(', ')}`, 503);
  }

  #run(key: string, probe: Probe): Promise<ProbeResult> {
    const running = this.#underWay.get(key);
    if (running) return running;
    const result = this.#options.runProbe(probe).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, result);
    return result;
  }
}

/** Families in Prometheus' text format. */
export function metricsAnswer(families: Iterable<Family>): AdminResponse {
  return { status: 200, body: exposition(families), type: CONTENT_TYPE };
}

function keyOf(path: string): string {
  return path.startsWith(PROBE_PATH) ? path.slice(PROBE_PATH.length) : '';
}
