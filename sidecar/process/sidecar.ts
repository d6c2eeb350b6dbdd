import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';

import { OPERATOR_SERVICE, PORTS } from '#core/constants.ts';
import { MESH_DEFAULTS } from '#core/model/mesh-settings.ts';
import { serviceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';

import type { Readiness } from '../admin/health-routes.ts';
import { HealthRoutes } from '../admin/health-routes.ts';
import { HttpServer } from '../admin/http-server.ts';
import { localHostFault, localRequestFault } from '../admin/local-request.ts';
import type { Route } from '../admin/http-server.ts';
import type { LevelLog } from '../admin/level-log.ts';
import { localRoutes } from '../admin/local-routes.ts';
import type { Family } from '../admin/metrics/exposition.ts';
import { DataPlaneCounters } from '../admin/metrics/data-plane-counters.ts';
import { runProbe } from '../admin/probes/run-probe.ts';
import { shedReport } from '../admin/shed-report.ts';
import { Catalog } from '../sources/catalog/catalog.ts';
import { CatalogResolver } from '../sources/catalog/catalog-resolver.ts';
import { EndpointPool } from '../sources/catalog/endpoint-pool.ts';
import { OwnMeshService } from '../sources/catalog/own-mesh-service.ts';
import { OwnServiceView } from '../sources/catalog/own-service-view.ts';
import { SliceApi } from '../sources/catalog/slice-api.ts';
import type { SidecarConfig } from '../config/config.ts';
import { DEFAULT_SETTINGS } from '../dataplane/interfaces/settings.ts';
import type { DataPlaneSettings } from '../dataplane/interfaces/settings.ts';
import { IdentityManager } from '../sources/identity/identity-manager.ts';
import { signingClient } from '../sources/identity/signing-client.ts';
import type { SigningClientOptions } from '../sources/identity/signing-client.ts';
import { AppDialer, appAddresses } from '../dataplane/inbound/app-dialer.ts';
import type { ControlHandler } from '../dataplane/inbound/control.ts';
import { Inbound } from '../dataplane/inbound/inbound.ts';
import type { OriginalDestination } from '../dataplane/original-destination/original-destination.ts';
import { Outbound } from '../dataplane/outbound/outbound.ts';
import { MemoryBudget } from '../dataplane/memory/memory-budget.ts';
import { memoryForPeers } from '../dataplane/memory/memory-limit.ts';
import { PolicyWatch } from '../sources/policy/policy-watch.ts';
import type { Siblings } from '../dataplane/interfaces/siblings.ts';
import { trustReport } from '../dataplane/peer/trust-report.ts';
import type { TrustReport } from '../dataplane/peer/trust-report.ts';
import { Trust } from '../sources/trust/trust.ts';
import { TunnelTransport } from '../dataplane/tunnel/tunnel-transport.ts';
import { processFamilies } from './run-metrics.ts';
import { shutDown } from './shutdown.ts';
import type { ShutdownTimes } from './shutdown.ts';

/** Where a sidecar listens; other ports only in tests, where 0 is any free one. */
export interface ListenOptions {
  readonly inboundHosts: readonly string[];
  readonly inboundPort: number;
  /** Port at which the sidecars of peers listen. */
  readonly peerPort: number;
  readonly outboundPort: number;
  readonly adminHosts: readonly string[];
  readonly adminPort: number;
  readonly localPort: number;
}

export const DEFAULT_LISTEN: ListenOptions = {
  inboundHosts: ['::', '0.0.0.0'],
  inboundPort: PORTS.inbound,
  peerPort: PORTS.inbound,
  outboundPort: PORTS.outbound,
  adminHosts: ['::', '0.0.0.0'],
  adminPort: PORTS.admin,
  localPort: PORTS.adminLocal,
};

export interface SidecarOptions {
  readonly config: SidecarConfig;
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: LevelLog;
  readonly originalDestination: OriginalDestination;
  /** How the operator is reached, where that differs from what its URL says; and the token for it, where none is in a file. */
  readonly operator?: Pick<SigningClientOptions, 'serverName' | 'localAddress'> &
    Partial<Pick<SigningClientOptions, 'readToken'>>;
  /** Called when the operator or a container of this pod asks the sidecar to end. */
  readonly onFinish: () => void;
  readonly listen?: Partial<ListenOptions>;
  readonly settings?: Partial<DataPlaneSettings>;
  /** Whether this process opens the admin ports; a worker's are opened by its primary. Default true. */
  readonly adminPorts?: boolean;
  /** Whether another process of this sidecar has work under way that needs the way out of the pod, such as a hook. */
  readonly busyElsewhere?: () => boolean;
  /** The other processes of this sidecar, where it has several. */
  readonly siblings?: Siblings;
  /** What peers may make this process hold, bytes; default: by the memory limit of the container. */
  readonly memoryForPeers?: number;
}

/** Where the local admin port is; containers of a pod share its loopback. */
export const LOCAL_HOSTS: readonly string[] = ['127.0.0.1', '::1'];

/** Access is granted right after the pod was made; a refusal of the first moments is asked again soon. */
const FORBIDDEN_CAP_MS = 800;

/** One sidecar: everything it is made of, put together. */
export class Sidecar implements Readiness {
  readonly trust: Trust;
  readonly identity: IdentityManager;
  readonly policy: PolicyWatch;
  readonly catalog: Catalog;
  readonly own: OwnServiceView;
  readonly inbound: Inbound;
  readonly outbound: Outbound;
  readonly health: HttpServer;
  readonly local: HttpServer;
  /** What the local admin port serves. */
  readonly localRoute: Route;
  /** Its metrics, as they are when somebody reads them. */
  readonly families: () => readonly Family[];
  readonly #options: SidecarOptions;
  readonly #pool: EndpointPool;
  readonly #ownMeshService: OwnMeshService;
  readonly #routes: HealthRoutes;
  #listening = false;
  #leaving = false;
  #wasReady = false;
  #unsubscribe: readonly (() => void)[] = [];

  constructor(options: SidecarOptions) {
    const { config, api, clock, originalDestination } = options;
    const listen = { ...DEFAULT_LISTEN, ...options.listen };
    const settings = { ...DEFAULT_SETTINGS, tunnel: config.tunnel, ...options.settings };
    const service: ServiceIdentity = { namespace: config.namespace, service: config.service };
    const log = options.log.logger({ name: 'sidecar' });
    const watching = { api, clock, log, forbiddenCapMs: FORBIDDEN_CAP_MS };
    const metrics = new DataPlaneCounters();

    this.#options = options;
    this.trust = new Trust(watching);
    this.identity = new IdentityManager({
      clock,
      log,
      trust: this.trust,
      service,
      sign: signingClient({
        readToken: () => readFile(config.caTokenFile, 'utf8'),
        ...options.operator,
        url: config.operatorUrl,
      }),
    });
    this.policy = new PolicyWatch({
      ...watching,
      trust: this.trust,
      service,
      meshNamespace: config.meshNamespace,
    });
    this.catalog = new Catalog({ ...watching, meshNamespace: config.meshNamespace });
    this.#ownMeshService = new OwnMeshService({ ...watching, own: service });
    this.own = new OwnServiceView({
      catalog: this.catalog,
      settings: this.#ownMeshService,
      identity: service,
      containerPorts: config.containerPorts,
      upstreams: config.upstreams,
    });
    const slices = { ...watching, api: new SliceApi(api) };
    this.#pool = new EndpointPool(slices);
    const resolver = new CatalogResolver({
      catalog: this.catalog,
      pool: this.#pool,
      trust: this.trust,
      identity: this.identity,
      clock,
      podIps: config.podIps,
    });

    const memory = new MemoryBudget(options.memoryForPeers ?? memoryOfThisProcess(config.cores), clock);
    const dataPlane = { identity: this.identity, clock, log, metrics, settings, memory };
    const toPeers = { ...dataPlane, port: listen.peerPort };
    const appAt = appAddresses(config.podIps, config.transparent);
    this.inbound = new Inbound({
      ...dataPlane,
      policy: this.policy,
      own: this.own,
      originalDestination,
      app: new AppDialer({ ...dataPlane, addresses: appAt }),
      control: this.#control(),
      proxyProtocolPorts: config.proxyProtocolPorts,
      ...(options.siblings ? { siblings: options.siblings } : {}),
      listen: { hosts: listen.inboundHosts, port: listen.inboundPort },
    });
    this.outbound = new Outbound({
      ...dataPlane,
      resolver,
      transport: new TunnelTransport(toPeers),
      podIPs: config.podIps,
      ...(config.transparent ? { transparent: { originalDestination, port: listen.outboundPort } } : {}),
    });

    const sources = { ...this.#parts(), readiness: this, startedAt: clock.now(), pool: this.#pool, memory };
    this.families = () => [...metrics.families(), ...processFamilies(sources)];
    this.#routes = new HealthRoutes({
      readiness: this,
      families: this.families,
      probes: config.probes,
      probeSecret: config.probeSecret,
      runProbe: (probe) => runProbe(probe, appAt, config.proxyProtocolPorts),
    });
    this.health = new HttpServer({
      hosts: listen.adminHosts,
      port: listen.adminPort,
      // Outside of pods it is on loopback, beside people's browsers.
      ...(listen.adminHosts.every((host) => LOCAL_HOSTS.includes(host)) ? { guard: localHostFault } : {}),
      route: this.#routes.route,
      isPrivileged: (path) => this.#routes.isProbe(path),
      onShed: shedReport('admin', { clock, log, metrics }),
      clock,
    });
    this.localRoute = localRoutes({
      ...this.#parts(),
      config,
      readiness: this,
      own: this.own,
      pool: this.#pool,
      log: options.log,
      connections: () => this.#connections(),
      families: this.families,
      quit: () => options.onFinish(),
      now: () => clock.now(),
    });
    this.local = new HttpServer({
      hosts: LOCAL_HOSTS,
      port: listen.localPort,
      guard: localRequestFault,
      takesBodies: true,
      route: this.localRoute,
      onShed: shedReport('local', { clock, log, metrics }),
      clock,
    });
  }

  /**
   * Opens the admin ports, begins to read from the API server, and opens the ports of the data path. These are open before
   * there is anything to decide by: inbound refuses until then, and outbound waits, so that nothing goes out in the clear.
   *
   * @throws Error when a port is taken.
   */
  async start(): Promise<void> {
    const log = this.#options.log.logger({ name: 'sidecar' });
    if (this.#options.adminPorts ?? true) {
      await this.health.start();
      await this.local.start();
    }
    const tellReady = (): void => this.#tellReady();
    this.#unsubscribe = [
      this.identity.onChange(tellReady),
      this.policy.onChange(tellReady),
      this.own.onChange(() => this.#openUpstreams()),
    ];
    this.trust.start();
    this.identity.start();
    this.policy.start();
    this.catalog.start();
    this.#ownMeshService.start();
    for (const { synced } of [this.catalog, this.#ownMeshService]) void synced.then(tellReady);
    await this.inbound.start();
    await this.outbound.start();
    await this.outbound.setUpstreams(this.own.upstreams());
    this.#listening = true;
    log.info(
      { inbound: this.inbound.port, outbound: this.outbound.port, admin: this.health.port },
      'listening',
    );
    this.#tellReady();
  }

  /** Lets open connections finish within the given times, then ends everything. */
  async stop(times: ShutdownTimes): Promise<void> {
    const { clock, log, busyElsewhere = () => false } = this.#options;
    this.#leaving = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    const dataPath = { inbound: this.inbound, outbound: this.outbound };
    // A hook that the application still works on came through us, and its answer goes back through us.
    const busy = (): boolean => this.#routes.underWay > 0 || busyElsewhere();
    await shutDown({ clock, log: log.logger({ name: 'sidecar' }), ...dataPath, busy }, times);
    this.identity.stop();
    await Promise.all([
      this.trust.stop(),
      this.policy.stop(),
      this.catalog.stop(),
      this.#pool.stop(),
      this.#ownMeshService.stop(),
    ]);
    await Promise.all([this.health.stop(), this.local.stop()]);
  }

  missing(): readonly string[] {
    const missing: string[] = [];
    if (!this.trust.current()) missing.push('trust');
    if (!this.identity.state().valid) missing.push('certificate');
    if (!this.policy.ready) missing.push('policy');
    if (!this.catalog.hasSynced || !this.#ownMeshService.hasSynced) missing.push('catalog');
    if (!this.#listening) missing.push('listeners');
    if (this.#leaving) missing.push('nothing, it is shutting down');
    return missing;
  }

  #parts() {
    return { trust: this.trust, identity: this.identity, policy: this.policy, catalog: this.catalog };
  }

  /** The operator alone may tell this sidecar to end. What it is called is known once the mesh's settings were read. */
  #control(): ControlHandler {
    const { config, onFinish } = this.#options;
    const { trust } = this;
    const who = { namespace: config.meshNamespace, service: serviceName(OPERATOR_SERVICE) };
    const before = { trustDomain: config.trustDomain, datacenter: MESH_DEFAULTS.datacenter };
    return {
      get operator() {
        return serviceSpiffeId(trust.current()?.settings ?? before, who);
      },
      finish: onFinish,
      trust: () => this.#trustReport(),
    };
  }

  /** With siblings this process sees only its own connections. */
  async #trustReport(): Promise<TrustReport | undefined> {
    const snapshot = this.identity.current();
    const settings = this.trust.current()?.settings;
    if (!snapshot || !settings || this.#options.siblings) return undefined;
    const peers = [...this.inbound.peers(), ...this.outbound.peers()];
    return trustReport(snapshot, settings.trustDomain, peers, this.#options.clock.now());
  }

  #openUpstreams(): void {
    void this.outbound.setUpstreams(this.own.upstreams());
  }

  #tellReady(): void {
    if (this.#wasReady || this.missing().length > 0) return;
    this.#wasReady = true;
    this.#options.log.logger({ name: 'sidecar' }).info({}, 'ready');
  }

  #connections(): object {
    return {
      inbound: { open: this.inbound.open, accepted: this.inbound.accepted },
      outbound: { open: this.outbound.open, accepted: this.outbound.accepted },
    };
  }
}

/** @param processes that share the container's memory */
function memoryOfThisProcess(processes: number): number {
  return memoryForPeers({ constrained: process.constrainedMemory(), total: totalmem(), processes });
}
