import type { Clock } from '#base/clock.ts';

import { HealthRoutes } from '../admin/health-routes.ts';
import { HttpServer } from '../admin/http-server.ts';
import { localRequestFault } from '../admin/local-request.ts';
import type { LevelLog } from '../admin/level-log.ts';
import type { Family } from '../admin/metrics/exposition.ts';
import { shedCounter } from '../admin/metrics/data-plane-counters.ts';
import { runProbe } from '../admin/probes/run-probe.ts';
import { shedReport } from '../admin/shed-report.ts';
import type { SidecarConfig } from '../config/config.ts';
import { appAddresses } from '../dataplane/inbound/app-dialer.ts';
import { runtimeFamilies } from '../process/run-metrics.ts';
import type { ShutdownTimes } from '../process/shutdown.ts';
import { DEFAULT_LISTEN, LOCAL_HOSTS } from '../process/sidecar.ts';
import type { ListenOptions } from '../process/sidecar.ts';
import type { DataPlaneMetrics } from '../dataplane/interfaces/data-plane-metrics.ts';
import { dataOf, familyOf } from './family-data.ts';
import { mergedLocalRoutes } from './local-routes.ts';
import { merge } from './merge.ts';
import { missingOfAll } from './missing.ts';
import type { ForkWorker } from './worker-process.ts';
import { workerFamilies } from './worker-metrics.ts';
import { Workers } from './workers.ts';

export interface PrimaryOptions {
  readonly config: SidecarConfig;
  readonly clock: Clock;
  readonly log: LevelLog;
  readonly fork: ForkWorker;
  /** Called when the operator or a container of this pod asks the sidecar to end. */
  readonly onFinish: () => void;
  readonly listen?: Partial<Pick<ListenOptions, 'adminHosts' | 'adminPort' | 'localPort'>>;
}

/**
 * A sidecar on several cores, as the outside sees it: the admin ports, and the life of the workers. It carries no traffic and
 * holds no key.
 */
export class Primary {
  readonly health: HttpServer;
  readonly local: HttpServer;
  readonly #options: PrimaryOptions;
  readonly #workers: Workers;
  readonly #routes: HealthRoutes;
  readonly #startedAt: number;
  readonly #shed = shedCounter();
  readonly #countShed: DataPlaneMetrics['shed'] = (port, phase, limit) =>
    this.#shed.add({ port, phase, limit });
  #leaving = false;

  constructor(options: PrimaryOptions) {
    const { config, clock, log, fork, onFinish } = options;
    const listen = { ...DEFAULT_LISTEN, ...options.listen };
    this.#options = options;
    this.#startedAt = clock.now();
    this.#workers = new Workers({
      count: config.cores,
      fork,
      clock,
      log: log.logger({ name: 'sidecar' }),
      logLevel: () => log.level,
      onFinish,
    });
    const shed = { clock, log: log.logger({ name: 'sidecar' }), metrics: { shed: this.#countShed } };
    const appAt = appAddresses(config.podIps, config.transparent);
    this.#routes = new HealthRoutes({
      readiness: this,
      families: () => this.families(),
      probes: config.probes,
      probeSecret: config.probeSecret,
      runProbe: (probe) => runProbe(probe, appAt, config.proxyProtocolPorts),
    });
    this.health = new HttpServer({
      hosts: listen.adminHosts,
      port: listen.adminPort,
      route: this.#routes.route,
      isPrivileged: (path) => this.#routes.isProbe(path),
      onShed: shedReport('admin', shed),
      clock,
    });
    this.local = new HttpServer({
      hosts: LOCAL_HOSTS,
      port: listen.localPort,
      guard: localRequestFault,
      takesBodies: true,
      route: mergedLocalRoutes({
        workers: this.#workers,
        log,
        missing: () => this.missing(),
        families: () => this.families(),
        quit: onFinish,
      }),
      onShed: shedReport('local', shed),
      clock,
    });
  }

  /**
   * Opens the admin ports and starts the workers; resolves when the first of them has its ports open.
   *
   * @throws Error when a port is taken, or no worker comes up
   */
  async start(): Promise<void> {
    await this.health.start();
    await this.local.start();
    await this.#workers.start();
  }

  /** Lets the open connections of every worker finish within the given times, then ends everything. */
  async stop(times: ShutdownTimes): Promise<void> {
    this.#leaving = true;
    await this.#workers.stop(times, () => this.#routes.underWay > 0);
    await Promise.all([this.health.stop(), this.local.stop()]);
  }

  /** What any worker still lacks before traffic may come. */
  async missing(): Promise<readonly string[]> {
    if (this.#leaving) return ['nothing, it is shutting down'];
    return missingOfAll(await this.#workers.askAll<'readiness'>({ subject: 'readiness' }));
  }

  /** The numbers of all processes as those of one. */
  async families(): Promise<readonly Family[]> {
    const { config } = this.#options;
    const { answered, lasting } = await this.#workers.scrape();
    const own = [
      this.#shed,
      ...runtimeFamilies({ startedAt: this.#startedAt }),
      ...workerFamilies({
        workers: config.cores,
        answering: answered.length,
        restarts: this.#workers.restarts,
      }),
    ];
    return merge([...answered, ...lasting, dataOf(own)]).map(familyOf);
  }
}
