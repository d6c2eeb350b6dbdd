import { isIP } from 'node:net';

import { LOG_LEVELS } from '#base/log-level.ts';
import type { LogLevel } from '#base/log-level.ts';
import { isRecord } from '#base/record.ts';
import { MAX_SIDECAR_CORES } from '#core/constants.ts';
import { nameFault } from '#core/names.ts';
import type { NamespaceName, ServiceName } from '#core/names.ts';
import { parsePortList } from '#core/net/port-list.ts';
import { trustDomain } from '#core/spiffe-id.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';

import { parseUpstreams } from '#core/pod/upstream.ts';

import { parseProbes } from './probe.ts';
import type { Probe } from './probe.ts';
import type { Upstream } from './upstream.ts';

/** Everything the sidecar is told from outside, read once at its start. */
export interface SidecarConfig {
  /** The service this pod claims to be; the operator decides whether it may. */
  readonly service: ServiceName;
  readonly namespace: NamespaceName;
  readonly podName: string;
  readonly podUid: string;
  readonly podIps: readonly string[];
  readonly serviceAccount: string;
  /** The mesh's own namespace. */
  readonly meshNamespace: NamespaceName;
  readonly trustDomain: TrustDomain;
  /** Origin of the operator's signing API, without a slash at its end. */
  readonly operatorUrl: string;
  /** Whether traffic is redirected to us; else we serve local ports only. */
  readonly transparent: boolean;
  /** Whether streams to a peer share a connection; see {@link DataPlaneSettings}. */
  readonly tunnel: boolean;
  /** Processes that carry traffic; with 1 that is this very process. */
  readonly cores: number;
  readonly upstreams: readonly Upstream[];
  /** Every rewritten probe, by `<container>/<kind>-<secret>`. */
  readonly probes: ReadonlyMap<string, Probe>;
  /** What ends the paths of the sidecar's own probes; empty where there are none. */
  readonly probeSecret: string;
  /** Names of container ports. */
  readonly containerPorts: ReadonlyMap<string, number>;
  /** Ports of the application that expect a PROXY protocol header. */
  readonly proxyProtocolPorts: ReadonlySet<number>;
  readonly logLevel: LogLevel;
  /** How long an ordinary sidecar goes on to serve after SIGTERM at least, milliseconds. */
  readonly drainMs: number;
  /** The pod's grace period, milliseconds. */
  readonly graceMs: number;
  readonly style: 'native' | 'ordinary';
  /** Directory with `token` and `ca.crt` for the API server. */
  readonly kubeTokenDir: string;
  /** The token for the signing API. */
  readonly caTokenFile: string;
}

/** The environment is not usable; `faults` says everything that is wrong with it. */
export class SidecarConfigError extends Error {
  override readonly name = 'SidecarConfigError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `The sidecar cannot start, its environment is wrong:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
    this.faults = faults;
  }
}

type Env = Readonly<Record<string, string | undefined>>;

/** One variable: how its text is read, and its value when it is not set. One without a default must be set. */
interface Variable<T> {
  /** @throws RangeError with a sentence for each fault, one per line */
  readonly parse: (text: string) => T;
  readonly default?: T;
}

const name = (what: string) => (text: string) => {
  const fault = nameFault(what, text);
  if (fault) throw new RangeError(fault);
  return text;
};

const matching = (pattern: RegExp, hint: string) => (text: string) => {
  if (!pattern.test(text)) throw new RangeError(hint);
  return text;
};

const oneOf =
  <const T extends string>(values: readonly T[], hint: string) =>
  (text: string): T => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new RangeError(hint);
    return found;
  };

const LONGEST_SECONDS = 7 * 24 * 3600;

/** Whole seconds, as milliseconds. Kubernetes takes grace periods of years; beyond a week it makes no difference to us. */
function seconds(text: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new RangeError(`${JSON.stringify(text)}: write whole seconds, 0 or more`);
  return Math.min(Number(text), LONGEST_SECONDS) * 1000;
}

function cores(text: string): number {
  if (!/^\d{1,2}$/.test(text) || Number(text) < 1 || Number(text) > MAX_SIDECAR_CORES)
    throw new RangeError(`${JSON.stringify(text)}: write a whole number from 1 to ${MAX_SIDECAR_CORES}`);
  return Number(text);
}

const POD_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const absolutePath = matching(/^\//, 'write an absolute path');

/** Without a schema library, on purpose: it would be the largest part of the sidecar, in every pod, for what is read once. */
const VARIABLES = {
  MESH_SERVICE: { parse: name('service name') },
  POD_NAME: { parse: matching(POD_NAME, 'write the name of the pod (fieldRef metadata.name)') },
  POD_NAMESPACE: { parse: name('namespace') },
  POD_UID: { parse: matching(/^[-0-9A-Za-z]{1,64}$/, 'write the uid of the pod (fieldRef metadata.uid)') },
  POD_IPS: { parse: parseIps },
  POD_SERVICE_ACCOUNT: {
    parse: matching(POD_NAME, 'write the ServiceAccount of the pod (fieldRef spec.serviceAccountName)'),
  },
  MESH_NAMESPACE: { parse: name('namespace') },
  MESH_TRUST_DOMAIN: { parse: trustDomain },
  MESH_OPERATOR_URL: { parse: parseOperatorUrl },
  MESH_TRANSPARENT: { parse: oneOf(['true', 'false'], 'write "true" or "false"'), default: 'true' },
  MESH_TUNNEL: { parse: oneOf(['on', 'off'], 'write "on" or "off"'), default: 'on' },
  MESH_CORES: { parse: cores, default: 1 },
  MESH_UPSTREAMS: { parse: readUpstreams, default: [] },
  MESH_PROBES: { parse: parseProbes, default: new Map() },
  MESH_PROBE_SECRET: { parse: matching(/^[0-9a-f]{32}$/, 'write 32 hexadecimal digits'), default: '' },
  MESH_CONTAINER_PORTS: { parse: parseContainerPorts, default: new Map() },
  MESH_PROXY_PROTOCOL_PORTS: { parse: readPorts, default: new Set() },
  MESH_LOG_LEVEL: {
    parse: oneOf(LOG_LEVELS, `write one of ${LOG_LEVELS.join(', ')}`),
    default: 'info',
  },
  MESH_DRAIN_SECONDS: { parse: seconds, default: 5_000 },
  MESH_GRACE_SECONDS: { parse: seconds, default: 30_000 },
  MESH_STYLE: { parse: oneOf(['native', 'ordinary'], 'write "native" or "ordinary"'), default: 'native' },
  MESH_KUBE_TOKEN_DIR: { parse: absolutePath, default: '/var/run/secrets/mesh.dev/kube' },
  MESH_CA_TOKEN_FILE: { parse: absolutePath, default: '/var/run/secrets/mesh.dev/ca/token' },
} satisfies Record<string, Variable<unknown>>;

type Values = {
  readonly [Key in keyof typeof VARIABLES]: ReturnType<(typeof VARIABLES)[Key]['parse']>;
};

/** @throws SidecarConfigError with everything that is wrong, at once. */
function readVariables(env: Env): Values {
  const faults: string[] = [];
  const values = Object.entries<Variable<unknown>>(VARIABLES).map(([variable, { parse, default: unset }]) => {
    const text = env[variable]?.trim();
    try {
      if (text) return [variable, parse(text)];
      if (unset === undefined) faults.push(`${variable} is not set`);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      faults.push(...error.message.split('\n').map((line) => `${variable}: ${line}`));
    }
    return [variable, unset];
  });
  if (faults.length > 0) throw new SidecarConfigError(faults);
  return Object.fromEntries(values) as Values;
}

/**
 * Reads the sidecar's environment.
 *
 * @throws SidecarConfigError with everything that is wrong, at once.
 */
export function readConfig(env: Env): SidecarConfig {
  const read = readVariables({ ...env, POD_IPS: env.POD_IPS?.trim() || env.POD_IP });
  return Object.freeze({
    service: read.MESH_SERVICE as ServiceName,
    namespace: read.POD_NAMESPACE as NamespaceName,
    podName: read.POD_NAME,
    podUid: read.POD_UID,
    podIps: Object.freeze(read.POD_IPS),
    serviceAccount: read.POD_SERVICE_ACCOUNT,
    meshNamespace: read.MESH_NAMESPACE as NamespaceName,
    trustDomain: read.MESH_TRUST_DOMAIN,
    operatorUrl: read.MESH_OPERATOR_URL,
    transparent: read.MESH_TRANSPARENT === 'true',
    tunnel: read.MESH_TUNNEL === 'on',
    cores: read.MESH_CORES,
    upstreams: Object.freeze(
      read.MESH_UPSTREAMS.map(({ service, namespace, localPort, port }): Upstream => {
        const home = namespace ?? read.POD_NAMESPACE;
        return {
          localPort,
          service: { service: service as ServiceName, namespace: home as NamespaceName },
          ...(port === undefined ? {} : { port }),
        };
      }),
    ),
    probes: read.MESH_PROBES,
    probeSecret: read.MESH_PROBE_SECRET,
    containerPorts: read.MESH_CONTAINER_PORTS,
    proxyProtocolPorts: read.MESH_PROXY_PROTOCOL_PORTS,
    logLevel: read.MESH_LOG_LEVEL,
    drainMs: read.MESH_DRAIN_SECONDS,
    graceMs: read.MESH_GRACE_SECONDS,
    style: read.MESH_STYLE,
    kubeTokenDir: read.MESH_KUBE_TOKEN_DIR,
    caTokenFile: read.MESH_CA_TOKEN_FILE,
  });
}

function readUpstreams(text: string): ReturnType<typeof parseUpstreams>['upstreams'] {
  const { upstreams, faults } = parseUpstreams(text);
  if (faults.length > 0) throw new RangeError(faults.join('\n'));
  return upstreams;
}

function readPorts(text: string): ReadonlySet<number> {
  const { ports, faults } = parsePortList(text);
  if (faults.length > 0) throw new RangeError(faults.join('\n'));
  return new Set(ports);
}

function parseIps(text: string): string[] {
  const ips = text.split(',').map((part) => part.trim());
  const wrong = ips.filter((ip) => isIP(ip) === 0);
  if (wrong.length > 0)
    throw new RangeError(`${JSON.stringify(wrong[0])} is not an IP address (fieldRef status.podIPs)`);
  return ips;
}

function parseOperatorUrl(text: string): string {
  const wrong = new RangeError(
    `${JSON.stringify(text)}: write https://<host>:<port>, such as https://mesh-operator.mesh-system.svc:8443`,
  );
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrong;
  }
  const plain =
    url.protocol === 'https:' &&
    url.pathname === '/' &&
    !url.search &&
    !url.hash &&
    !url.username &&
    !url.password;
  if (!plain) throw wrong;
  return url.origin;
}

function parseContainerPorts(text: string): ReadonlyMap<string, number> {
  const hint = 'write a JSON object of port names and numbers, such as {"http":8080}';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RangeError(`not JSON; ${hint}`);
  }
  if (!isRecord(value)) throw new RangeError(hint);
  const ports = new Map<string, number>();
  const faults: string[] = [];
  for (const [portName, port] of Object.entries(value)) {
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535)
      faults.push(`port ${JSON.stringify(portName)}: write a number from 1 to 65535`);
    else ports.set(portName, port);
  }
  if (faults.length > 0) throw new RangeError(faults.join('\n'));
  return ports;
}
