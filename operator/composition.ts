import { randomBytes } from 'node:crypto';

import { MESH_CONFIG_NAME, OPERATOR_SERVICE } from '#core/constants.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import type { MeshConfigStatus } from '#core/model/mesh-config.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#kube/clock.ts';
import { LeaseElector } from '#kube/lease-elector.ts';
import type { Logger } from '#kube/log.ts';
import { validity } from '#pki/svid.ts';

import type { AdmissionParts } from './admission.ts';
import type { AuditFile } from './audit/audit-file.ts';
import { startAuditFile } from './audit/open.ts';
import { lookAround, servingNames, startAuthority } from './bootstrap.ts';
import type { Surroundings } from './bootstrap.ts';
import { AuthorityWatch } from './ca/authority-watch.ts';
import type { Authority } from './ca/authority.ts';
import type { WatchedCertificate } from './ca/expiry.ts';
import { shortId, watchedCertificates } from './ca/watched.ts';
import type { RootSlots } from './ca/root-slots.ts';
import { Caches } from './caches.ts';
import type { OperatorConfig } from './config.ts';
import { LEASE_NAME } from './constants.ts';
import { createControllers } from './controllers/all.ts';
import { EventRecorder } from './events.ts';
import { Leadership } from './leadership.ts';
import type { OperatorMetrics } from './metrics.ts';
import { memberRules } from './resources/member.ts';
import { createApp } from './server/app.ts';
import type { Mount } from './server/app.ts';
import { BUNDLE_PATH, BundleEndpoint, bundleRoute } from './server/bundle-endpoint.ts';
import { HttpsListener } from './server/listener.ts';
import { OUTSIDE_LIMITS, outsidePort } from './server/outside-port.ts';
import { OperationsPort } from './server/operations-port.ts';
import { ServingCertificate } from './server/serving-certificate.ts';
import { signingRouter } from './signing/router.ts';
import { SigningService } from './signing/signing-service.ts';
import type { SigningParts } from './signing/signing-service.ts';
import { SoleLeader } from './sole-leader.ts';
import type { Elector } from './sole-leader.ts';

export interface OperatorDeps {
  readonly config: OperatorConfig;
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** Adds the paths of admission; the webhook is a room of its own. */
  readonly admission: (parts: AdmissionParts) => Mount;
  /**
   * Whether others may work beside this one. They compete for a lease, and who loses it must end its process, since its controllers
   * cannot be sure any more that they are alone.
   */
  readonly replicas: 'one' | { readonly onLostLease: () => void };
  /** Whether memory, CPU and event loop lag are measured; default yes. */
  readonly processMetrics?: boolean;
  /** How long the ports stay open after the replica said that it goes away, so that no new request meets a closed one; default 3 s. */
  readonly lingerMs?: number;
}

export interface RunningOperator {
  readonly httpsPort: number;
  readonly httpPort: number;
  /** Of the bundle endpoint, where it is open. */
  readonly bundlePort?: number;
  /** Where processes outside of pods have certificates signed, where they may join. */
  readonly outsidePort?: number;
  readonly isLeader: () => boolean;
  /** Root certificates, PEM, that vouch for the HTTPS port. */
  readonly rootsPem: () => string;
  /** Hands the lease over, ends what is under way, closes. Idempotent. */
  stop(): Promise<void>;
}

/** How long requests may still take once the ports are closed. */
const DRAIN_MS = 10_000;
const LINGER_MS = 3_000;
const PATHS = [
  ...['/healthz', '/readyz', '/metrics', '/inject', '/inject/by-namespace', '/validate', '/v1/sign'],
  BUNDLE_PATH,
];

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
  const { config, log } = deps;
  const operations = new OperationsPort({ log, processMetrics: deps.processMetrics ?? true, paths: PATHS });
  operations.ready.add('start', () => 'waits for the API server');
  const httpPort = await operations.listen(config.httpPort, config.listenHost);
  try {
    return await startServing({ ...deps, operations, httpPort }, signal);
  } catch (error) {
    await operations.close(0);
    throw error;
  }
}

type Started = OperatorDeps & { readonly operations: OperationsPort; readonly httpPort: number };

async function startServing(deps: Started, signal: AbortSignal): Promise<RunningOperator> {
  const { config, api, clock, log, operations, httpPort } = deps;
  const { ready, metrics } = operations;
  const surroundings = await lookAround(deps, signal);
  const { settings, capabilities } = surroundings;
  const { authority, slots } = await startAuthority(deps, surroundings, signal);
  const authorityWatch = new AuthorityWatch({ authority, clock, log, metrics });
  signal.addEventListener('abort', () => authorityWatch.stop());
  void authorityWatch.look();
  authority.onChange(() => void authorityWatch.look());
  const caches = new Caches({
    ...{ api, clock, log, metrics, meshNamespace: config.meshNamespace },
    watchAllPods: !capabilities.matchConditions,
  });
  caches.meshConfigs.subscribe((changes) => {
    for (const { after } of changes) {
      if (!after) continue;
      settings.take(after);
      void authority.follow(after.status);
    }
  });
  caches.start();
  const certificate = new ServingCertificate({
    ...{ clock, log, metrics, random: Math.random },
    issue: () => authority.issueServing(servingNames(config)),
  });
  signal.addEventListener('abort', () => certificate.stop());
  const parts = {
    ...deps,
    ...surroundings,
    metrics,
    authority,
    slots,
    authorityWatch,
    caches,
    certificates: (rotation: MeshConfigStatus['rotation']) =>
      watchedCertificates(authority, certificate.pair, rotation),
    audit: startAuditFile({ config, api, authority, clock, log, metrics }),
    events: new EventRecorder({ ...deps, metrics, podName: config.podName }),
  };
  const elector = electorOf(parts);
  signal.addEventListener('abort', () => void elector.stop());
  // A root that has ended or is lost signs nothing, not even our own certificate: the leader may have to replace it first.
  if (authority.lost !== undefined || (authority.activeRoot?.notAfter ?? Infinity) <= clock.now())
    elector.start();
  authority.onChange(() => certificate.renew());
  ready.add('start', () => authority.lost ?? 'waits for its serving certificate');
  await certificate.start();
  const https = listenerWith(
    certificate,
    createApp({ log, metrics, server: 'https', paths: PATHS, mounts: mountsOf(parts) }),
  );
  const httpsPort = await https.listen(config.httpsPort, config.listenHost);
  const bundles = await openBundleEndpoint(parts, signal);
  const outside = await openOutsidePort(parts, certificate);
  elector.start();
  operations.onScrape(() => {
    caches.measure();
    measureAuthority(metrics, authority);
  });
  ready.add('start', () => undefined);
  ready.add('caches', () => caches.fault());
  ready.add('serving certificate', () => certificate.fault());
  log.info(
    { httpsPort, httpPort, kubernetes: capabilities.version, ...settings.scope },
    'the operator serves',
  );

  const stop = async (): Promise<void> => {
    ready.add('process', () => 'this replica is going away');
    await Promise.all([elector.stop(), clock.sleep(deps.lingerMs ?? LINGER_MS)]);
    await Promise.all([https.close(DRAIN_MS), bundles?.close(DRAIN_MS), outside?.listener.close(DRAIN_MS)]);
    certificate.stop();
    authorityWatch.stop();
    await caches.stop();
    await parts.events.flush();
    await parts.audit?.close();
    await authority.stop();
    await operations.close(DRAIN_MS);
    log.info({}, 'the operator has ended');
  };
  let stopped: Promise<void> | undefined;
  return {
    httpsPort,
    httpPort,
    ...(bundles ? { bundlePort: bundles.port } : {}),
    ...(outside ? { outsidePort: outside.port } : {}),
    isLeader: () => elector.isLeader,
    rootsPem: () => authority.bundlePem,
    stop: () => (stopped ??= stop()),
  };
}

type Parts = Started &
  Surroundings & {
    readonly metrics: OperatorMetrics;
    readonly authority: Authority;
    readonly slots: RootSlots;
    readonly authorityWatch: AuthorityWatch;
    readonly caches: Caches;
    readonly certificates: (rotation: MeshConfigStatus['rotation']) => readonly WatchedCertificate[];
    readonly audit: AuditFile | undefined;
    readonly events: EventRecorder;
  };

/** What the HTTPS port answers: health, admission, signing. */
function mountsOf(parts: Parts): readonly Mount[] {
  const { log, operations } = parts;
  const signing = signingService(parts, {});
  const admission = parts.admission({ ...parts, log: log.child({ part: 'admission' }) });
  const bundle = bundleRoute(() => publishedStatus(parts));
  return [operations.health, admission, bundle, (app) => app.use(signingRouter(signing))];
}

function signingService(
  { api, clock, events, metrics, authority, settings, config, log, audit, capabilities }: Parts,
  more: Pick<SigningParts, 'door' | 'limits'>,
): SigningService {
  return new SigningService({
    ...{ api, clock, events, metrics, authority, meshNamespace: config.meshNamespace, ...more },
    log: log.child({ part: 'signing' }),
    settings: () => settings.current,
    file: audit,
    address: memberRules({ config, capabilities }).address,
  });
}

/** The port for processes outside of pods, where they may join. */
async function openOutsidePort(parts: Parts, certificate: ServingCertificate) {
  const { config, log, metrics } = parts;
  if (config.outsidePort === undefined) return undefined;
  const signing = signingService(parts, { door: 'outside', limits: OUTSIDE_LIMITS });
  const listener = outsidePort({ log, metrics, certificate, signing });
  return { listener, port: await listener.listen(config.outsidePort, config.listenHost) };
}

/** The bundle for others on a port of its own, where the chart asks for it. */
async function openBundleEndpoint(parts: Parts, signal: AbortSignal): Promise<BundleEndpoint | undefined> {
  const { config, authority } = parts;
  const { bundlePort: port, meshNamespace } = config;
  if (port === undefined) return undefined;
  const who = { namespace: namespaceName(meshNamespace), service: serviceName(OPERATOR_SERVICE) };
  const issue = () => authority.issueIdentity(who);
  const onAuthorityChange = (listener: () => void) => authority.onChange(listener);
  return BundleEndpoint.start(
    { ...parts, port, issue, onAuthorityChange, status: () => publishedStatus(parts) },
    signal,
  );
}

function publishedStatus({ caches }: Pick<Parts, 'caches'>): MeshConfigStatus | undefined {
  return caches.meshConfigs.get(MESH_CONFIG_NAME)?.status;
}

/** Runs the controllers: from its start on, or while it holds the lease that replicas compete for. */
function electorOf(parts: Parts): Elector {
  const { api, clock, log, metrics, caches, config, operations, replicas } = parts;
  const leadership = new Leadership({
    metrics,
    synced: () => caches.synced(),
    create: () => createControllers(parts),
  });
  operations.onScrape(() => leadership.measure());
  const lead = (term: AbortSignal): Promise<void> => leadership.lead(term);
  if (replicas === 'one') return new SoleLeader(lead);
  return new LeaseElector({
    ...{ api, clock, log, name: LEASE_NAME, namespace: config.meshNamespace },
    identity: `${config.podName}_${randomBytes(4).toString('hex')}`,
    onStarted: lead,
    onLost: replicas.onLostLease,
  });
}

function listenerWith(certificate: ServingCertificate, app: ReturnType<typeof createApp>): HttpsListener {
  if (!certificate.pair) throw new Error('the operator was stopped before it had a serving certificate');
  const listener = new HttpsListener(app, certificate.pair);
  certificate.onChange((pair) => listener.useCertificate(pair));
  return listener;
}

function measureAuthority(
  metrics: Pick<OperatorMetrics, 'rootExpiry' | 'intermediateExpiry'>,
  authority: Authority,
): void {
  metrics.intermediateExpiry.reset();
  for (const one of authority.intermediates)
    metrics.intermediateExpiry.set({ intermediate: shortId(one) }, validity(one).notAfter / 1000);
  metrics.rootExpiry.reset();
  for (const { id, active, notAfter } of authority.roots()) {
    metrics.rootExpiry.set({ root: id.slice(0, 12), active: String(active) }, Date.parse(notAfter) / 1000);
  }
}
