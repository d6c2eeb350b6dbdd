import type { MeshConfig } from '#core/model/mesh-config.ts';
import { meshSettings } from '#core/model/mesh-settings.ts';
import type { NamespaceName, ServiceName } from '#core/names.ts';
import type { UpstreamSpec } from '#core/pod/upstream.ts';
import { KubeClient } from '#kube/client/client.ts';
import type { Clock } from '#base/clock.ts';
import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import { LevelLog } from '#sidecar/admin/level-log.ts';
import type { SidecarConfig } from '#sidecar/config/config.ts';
import { withoutRedirection } from '#sidecar/dataplane/original-destination/original-destination.ts';
import { Sidecar } from '#sidecar/process/sidecar.ts';

import type { OperatorWay } from './operator-way.ts';
import { PORT_NAME } from './resources.ts';
import type { Instance } from './resources.ts';

export interface LocalSidecarOptions {
  readonly instance: Instance;
  readonly podUid: string;
  readonly upstreams: readonly UpstreamSpec[];
  readonly meshNamespace: string;
  readonly meshConfig: MeshConfig;
  readonly operator: OperatorWay;
  /** Where the sidecar listens; any free port when absent. */
  readonly sidecarPort: number | undefined;
  /** The API server; whose token it is asked with is the sidecar's own matter. */
  readonly cluster: ClusterConfig;
  readonly clock: Clock;
  /** A new token of the instance's account, for the API server or for others. */
  readonly token: (audience?: string) => Promise<string>;
  /** Gets each line of the sidecar's log. */
  readonly onLog: (line: string) => void;
}

const DRAIN_MS = 1_000;
const GRACE_MS = 15_000;
const LOOPBACK = '127.0.0.1';
/** Any free port. */
const FREE = 0;

/** The very sidecar that runs in pods, in this process: at the instance's address, at free ports, without redirection. */
export class LocalSidecar {
  readonly #sidecar: Sidecar;
  readonly #api: KubeClient;
  readonly #port: number | undefined;

  private constructor(sidecar: Sidecar, api: KubeClient, port: number | undefined) {
    this.#sidecar = sidecar;
    this.#api = api;
    this.#port = port;
  }

  /** @throws Error when a port is taken */
  static async start(options: LocalSidecarOptions): Promise<LocalSidecar> {
    const { instance, clock, token, cluster, meshConfig } = options;
    const { trustDomain } = meshSettings(meshConfig.spec);
    // As its own account, not as the user.
    const server: { -readonly [Key in keyof ClusterConfig]: ClusterConfig[Key] } = { ...cluster };
    delete server.clientCert;
    const api = new KubeClient({
      config: { ...server, token: () => token() },
      clock,
      userAgent: 'mesh-sidecar',
    });
    const sidecar = new Sidecar({
      config: sidecarConfig(options),
      api,
      clock,
      log: new LevelLog('info', options.onLog),
      originalDestination: withoutRedirection,
      onFinish: () => undefined,
      operator: {
        serverName: options.operator.serverName,
        localAddress: instance.address,
        // Made when it is needed: one in a file would be left behind by a process that is killed.
        readToken: () => token(`mesh-ca.${trustDomain}`),
      },
      listen: {
        inboundHosts: [instance.address],
        inboundPort: options.sidecarPort ?? FREE,
        // Nobody but this machine has to know how it is.
        adminHosts: [LOOPBACK],
        adminPort: FREE,
        localPort: FREE,
      },
    });
    const local = new LocalSidecar(sidecar, api, instance.port);
    try {
      await sidecar.start();
    } catch (error) {
      await local.stop();
      throw error;
    }
    return local;
  }

  /** Where peers reach it. */
  get inboundPort(): number {
    return this.#sidecar.inbound.port;
  }

  /** What it waits for; empty when it serves. */
  missing(): readonly string[] {
    const missing = this.#sidecar.missing();
    if (missing.length > 0 || this.#port === undefined) return missing;
    return this.#sidecar.own.declaredPorts().has(this.#port) ? [] : ['its port in the MeshService'];
  }

  /** Lets open connections end for a moment, then closes. Idempotent. */
  async stop(): Promise<void> {
    await this.#sidecar.stop({ minimumMs: 0, deadlineMs: DRAIN_MS });
    this.#api.close();
  }
}

function sidecarConfig(options: LocalSidecarOptions): SidecarConfig {
  const { instance, podUid, upstreams, meshNamespace, meshConfig, operator } = options;
  const { namespace, service, pod, address, port } = instance;
  return {
    service: service as ServiceName,
    namespace: namespace as NamespaceName,
    podName: pod,
    podUid,
    podIps: [address],
    serviceAccount: service,
    meshNamespace: meshNamespace as NamespaceName,
    trustDomain: meshSettings(meshConfig.spec).trustDomain,
    operatorUrl: operator.url,
    transparent: false,
    tunnel: true,
    cores: 1,
    upstreams: upstreams.map((upstream) => ({
      localPort: upstream.localPort,
      service: {
        service: upstream.service as ServiceName,
        namespace: (upstream.namespace ?? namespace) as NamespaceName,
      },
      ...(upstream.port === undefined ? {} : { port: upstream.port }),
    })),
    probes: new Map(),
    probeSecret: '',
    containerPorts: new Map(port === undefined ? [] : [[PORT_NAME, port]]),
    proxyProtocolPorts: new Set(),
    logLevel: 'info',
    drainMs: DRAIN_MS,
    graceMs: GRACE_MS,
    style: 'native',
    kubeTokenDir: '/nonexistent',
    caTokenFile: '/nonexistent',
  };
}
