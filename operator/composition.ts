import { randomBytes } from 'node:crypto';

import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#kube/clock.ts';
import { LeaseElector } from '#kube/lease-elector.ts';
import type { Logger } from '#kube/log.ts';

import type { AdmissionParts } from './admission.ts';
import { lookAround, servingNames, startAuthority } from './bootstrap.ts';
import type { Authority } from './ca/authority.ts';
import { Caches } from './caches.ts';
import type { OperatorConfig } from './config.ts';
import { LEASE_NAME } from './constants.ts';
import { createControllers } from './controllers/all.ts';
import { EventRecorder } from './events.ts';
import { Leadership } from './leadership.ts';
import { createMetrics } from './metrics.ts';
import type { OperatorMetrics } from './metrics.ts';
import { createApp } from './server/app.ts';
import type { Mount } from './server/app.ts';
import { Health } from './server/health.ts';
import { HttpsListener, httpListener } from './server/listener.ts';
import { healthRoutes, metricsRoute } from './server/operations.ts';
import { ServingCertificate } from './server/serving-certificate.ts';
import { signingRouter } from './signing/router.ts';
import { SigningService } from './signing/signing-service.ts';

export interface OperatorDeps {
  readonly config: OperatorConfig;
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** Adds the paths of admission; the webhook is a room of its own. */
  readonly admission: (parts: AdmissionParts) => Mount;
  /** The lease is lost: the process must end, since its controllers cannot be sure any more that they are alone. */
  readonly onLostLease: () => void;
  /** Whether memory, CPU and event loop lag are measured; default yes. */
  readonly processMetrics?: boolean;
  /** How long the ports stay open after the replica said that it goes away, so that no new request meets a closed one; default 3 s. */
  readonly lingerMs?: number;
}

export interface RunningOperator {
  readonly httpsPort: number;
  readonly httpPort: number;
  readonly isLeader: () => boolean;
  /** Root certificates, PEM, that vouch for the HTTPS port. */
  readonly rootsPem: () => string;
  /** Hands the lease over, ends what is under way, closes. Idempotent. */
  stop(): Promise<void>;
}

/** How long requests may still take once the ports are closed. */
const DRAIN_MS = 10_000;
const LINGER_MS = 3_000;
const PATHS = ['/healthz', '/readyz', '/metrics', '/inject', '/inject/by-namespace', '/validate', '/v1/sign'];

/**
 * Puts the control plane together and starts it. Every replica answers admission and signing; the one with the lease runs the controllers.
 *
 * @param signal aborts the start
 * @throws CaStateError, KubeError when people must act before it can start
 */
export async function startOperator(
  deps: OperatorDeps,
  signal: AbortSignal = new AbortController().signal,
): Promise<RunningOperator> {
  const { config, api, clock, log } = deps;
  const { meshNamespace, podName } = config;
  const { metrics, registry } = createMetrics(deps.processMetrics ?? true);
  const events = new EventRecorder({ api, clock, log, metrics, podName });
  const surroundings = await lookAround(deps, signal);
  const { settings, capabilities, owner } = surroundings;
  const authority = await startAuthority(deps, surroundings, signal);

  const caches = new Caches({ api, clock, log, metrics, watchAllPods: !capabilities.matchConditions });
  caches.meshConfigs.subscribe((changes) => {
    for (const { after } of changes) if (after) settings.take(after);
  });
  caches.start();
  const certificate = new ServingCertificate({
    ...{ clock, log, metrics, random: Math.random },
    issue: () => authority.issueServing(servingNames(meshNamespace)),
  });
  signal.addEventListener('abort', () => certificate.stop());
  await certificate.start();

  const ready = new Health();
  ready.add('caches', () => caches.fault());
  ready.add('serving certificate', () => certificate.fault());
  const health = healthRoutes(alive(), ready);
  const signing = new SigningService({
    ...{ api, clock, events, metrics, authority, meshNamespace },
    log: log.child({ part: 'signing' }),
    settings: () => settings.current,
  });
  const admission = deps.admission({
    config,
    capabilities,
    caches,
    settings,
    metrics,
    clock,
    log: log.child({ part: 'admission' }),
  });
  const https = listenerWith(
    certificate,
    createApp({
      log,
      metrics,
      server: 'https',
      paths: PATHS,
      mounts: [health, admission, (app) => app.use(signingRouter(signing))],
    }),
  );
  const httpsPort = await https.listen(config.httpsPort);

  const leadership = new Leadership({
    metrics,
    synced: () => caches.synced(),
    create: () =>
      createControllers({
        config,
        capabilities,
        api,
        clock,
        log,
        metrics,
        events,
        caches,
        settings,
        authority,
        owner,
      }),
  });
  const measure = (): void => {
    caches.measure();
    leadership.measure();
    measureRoots(metrics, authority);
  };
  const http = httpListener(
    createApp({
      log,
      metrics,
      server: 'http',
      paths: PATHS,
      mounts: [health, metricsRoute(registry, measure)],
    }),
  );
  const httpPort = await http.listen(config.httpPort);

  const elector = new LeaseElector({
    ...{ api, clock, log, name: LEASE_NAME, namespace: meshNamespace },
    identity: `${podName}_${randomBytes(4).toString('hex')}`,
    onStarted: (term) => leadership.lead(term),
    onLost: deps.onLostLease,
  });
  elector.start();
  log.info(
    { httpsPort, httpPort, kubernetes: capabilities.version, ...settings.scope },
    'the operator serves',
  );

  const stop = async (): Promise<void> => {
    ready.add('process', () => 'this replica is going away');
    await Promise.all([elector.stop(), clock.sleep(deps.lingerMs ?? LINGER_MS)]);
    await Promise.all([https.close(DRAIN_MS), http.close(DRAIN_MS)]);
    certificate.stop();
    await caches.stop();
    await events.flush();
    log.info({}, 'the operator has ended');
  };
  let stopped: Promise<void> | undefined;
  return {
    httpsPort,
    httpPort,
    isLeader: () => elector.isLeader,
    rootsPem: () => authority.bundlePem,
    stop: () => (stopped ??= stop()),
  };
}

/** Liveness asks only whether this process still answers: nothing that a restart would not mend. */
function alive(): Health {
  const health = new Health();
  health.add('process', () => undefined);
  return health;
}

function listenerWith(certificate: ServingCertificate, app: ReturnType<typeof createApp>): HttpsListener {
  if (!certificate.pair) throw new Error('the operator was stopped before it had a serving certificate');
  const listener = new HttpsListener(app, certificate.pair);
  certificate.onChange((pair) => listener.useCertificate(pair));
  return listener;
}

function measureRoots(metrics: Pick<OperatorMetrics, 'rootExpiry'>, authority: Authority): void {
  metrics.rootExpiry.reset();
  for (const { id, active, notAfter } of authority.roots()) {
    metrics.rootExpiry.set({ root: id.slice(0, 12), active: String(active) }, Date.parse(notAfter) / 1000);
  }
}
