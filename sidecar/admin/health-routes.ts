import { text } from './http-server.ts';
import type { AdminRequest, Answer } from './http-server.ts';
import { CONTENT_TYPE, exposition } from './metrics/exposition.ts';
import type { Family } from './metrics/exposition.ts';
import type { Probe, ProbeResult } from './probes/probe.ts';

export interface HealthOptions {
  readonly readiness: { missing(): Now<readonly string[]> };
  readonly families: () => Now<Iterable<Family>>;
  /** `<container>/<kind>` of every rewritten probe. */
  readonly probes: ReadonlyMap<string, Probe>;
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
 * What other pods may reach: health, readiness, metrics and the rewritten probes, and nothing else. Reading only.
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

  readonly route = async ({ method, path }: AdminRequest): Promise<Answer> => {
    if (method !== 'GET') return text('only GET is served here', 405);
    const { families, probes } = this.#options;
    switch (path) {
      case '/healthz':
        return text('ok');
      case '/readyz':
        return this.#readiness();
      case '/startup':
        return this.#started ? text('ok') : this.#readiness();
      case '/metrics':
        return { status: 200, body: exposition(await families()), type: CONTENT_TYPE };
    }
    const key = path.startsWith(PROBE_PATH) ? path.slice(PROBE_PATH.length) : '';
    const probe = probes.get(key);
    if (!probe) return text('not found', 404);
    const { ok, message } = await this.#run(key, probe);
    return text(message, ok ? 200 : 503);
  };

  async #readiness(): Promise<Answer> {
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
