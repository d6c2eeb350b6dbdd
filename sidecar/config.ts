import { isIP } from 'node:net';

import * as z from 'zod';

import { nameFault } from '#core/names.ts';
import type { NamespaceName, ServiceName } from '#core/names.ts';
import { TRUST_DOMAIN_PATTERN } from '#core/spiffe-id.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';

import { parseUpstreams } from '#core/upstream.ts';

import { parseProbes } from './admin/probes/probe.ts';
import type { Probe } from './admin/probes/probe.ts';
import type { Upstream } from './seams/upstream.ts';

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
  readonly upstreams: readonly Upstream[];
  /** `<container>/<kind>` of every rewritten probe. */
  readonly probes: ReadonlyMap<string, Probe>;
  /** Names of container ports. */
  readonly containerPorts: ReadonlyMap<string, number>;
  readonly logLevel: SidecarLogLevel;
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

export const SIDECAR_LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type SidecarLogLevel = (typeof SIDECAR_LOG_LEVELS)[number];

/** The environment is not usable; `faults` says everything that is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `The sidecar cannot start, its environment is wrong:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
    this.faults = faults;
  }
}

type Env = Readonly<Record<string, string | undefined>>;

const name = (what: string) =>
  z.string().superRefine((text, context) => {
    const fault = nameFault(what, text);
    if (fault) context.addIssue({ code: 'custom', message: fault });
  });

/** Runs a parser that throws RangeError with a sentence (or several, one per line), as part of a schema. */
function parsed<T>(parse: (text: string) => T) {
  return z.string().transform((text, context): T => {
    try {
      return parse(text);
    } catch (error) {
      for (const message of (error as Error).message.split('\n'))
        context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
  });
}

const LONGEST_SECONDS = 7 * 24 * 3600;

/** Whole seconds, as milliseconds. Kubernetes takes grace periods of years; beyond a week it makes no difference to us. */
const seconds = parsed((text) => {
  if (!/^\d{1,15}$/.test(text))
    throw new RangeError(`${JSON.stringify(text)}: write whole seconds, 0 or more`);
  return Math.min(Number(text), LONGEST_SECONDS) * 1000;
});

const POD_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const UID = /^[-0-9A-Za-z]{1,64}$/;

const schema = z.object({
  MESH_SERVICE: name('service name'),
  POD_NAME: z.string().regex(POD_NAME, { error: 'write the name of the pod (fieldRef metadata.name)' }),
  POD_NAMESPACE: name('namespace'),
  POD_UID: z.string().regex(UID, { error: 'write the uid of the pod (fieldRef metadata.uid)' }),
  POD_IPS: parsed(parseIps),
  POD_SERVICE_ACCOUNT: z
    .string()
    .regex(POD_NAME, { error: 'write the ServiceAccount of the pod (fieldRef spec.serviceAccountName)' }),
  MESH_NAMESPACE: name('namespace'),
  MESH_TRUST_DOMAIN: z.string().regex(new RegExp(TRUST_DOMAIN_PATTERN), {
    error: 'write a lower-case DNS name such as "cluster.local"',
  }),
  MESH_OPERATOR_URL: parsed(parseOperatorUrl),
  MESH_TRANSPARENT: z.enum(['true', 'false'], { error: 'write "true" or "false"' }).default('true'),
  MESH_TUNNEL: z.enum(['on', 'off'], { error: 'write "on" or "off"' }).default('on'),
  MESH_UPSTREAMS: z.string().optional(),
  MESH_PROBES: parsed(parseProbes).default(new Map()),
  MESH_CONTAINER_PORTS: parsed(parseContainerPorts).default(new Map()),
  MESH_LOG_LEVEL: z
    .enum(SIDECAR_LOG_LEVELS, { error: `write one of ${SIDECAR_LOG_LEVELS.join(', ')}` })
    .default('info'),
  MESH_DRAIN_SECONDS: seconds.default(5_000),
  MESH_GRACE_SECONDS: seconds.default(30_000),
  MESH_STYLE: z.enum(['native', 'ordinary'], { error: 'write "native" or "ordinary"' }).default('native'),
  MESH_KUBE_TOKEN_DIR: z
    .string()
    .startsWith('/', { error: 'write an absolute path' })
    .default('/var/run/secrets/mesh.dev/kube'),
  MESH_CA_TOKEN_FILE: z
    .string()
    .startsWith('/', { error: 'write an absolute path' })
    .default('/var/run/secrets/mesh.dev/ca/token'),
});

/**
 * Reads the sidecar's environment.
 *
 * @throws ConfigError with everything that is wrong, at once.
 */
export function readConfig(env: Env): SidecarConfig {
  const given = Object.fromEntries(Object.keys(schema.shape).map((key) => [key, presence(env[key])]));
  given.POD_IPS ??= presence(env.POD_IP);
  const result = schema.safeParse(given);
  const faults = result.success ? [] : result.error.issues.map((issue) => faultText(issue, given));
  const upstreams = parseUpstreams(given.MESH_UPSTREAMS ?? '');
  faults.push(...upstreams.faults.map((fault) => `MESH_UPSTREAMS: ${fault}`));
  if (!result.success || faults.length > 0) throw new ConfigError(faults);
  const read = result.data;
  return Object.freeze({
    service: read.MESH_SERVICE as ServiceName,
    namespace: read.POD_NAMESPACE as NamespaceName,
    podName: read.POD_NAME,
    podUid: read.POD_UID,
    podIps: Object.freeze(read.POD_IPS),
    serviceAccount: read.POD_SERVICE_ACCOUNT,
    meshNamespace: read.MESH_NAMESPACE as NamespaceName,
    trustDomain: read.MESH_TRUST_DOMAIN as TrustDomain,
    operatorUrl: read.MESH_OPERATOR_URL,
    transparent: read.MESH_TRANSPARENT === 'true',
    tunnel: read.MESH_TUNNEL === 'on',
    upstreams: Object.freeze(
      upstreams.upstreams.map(({ service, namespace, localPort, port }): Upstream => {
        const home = namespace ?? read.POD_NAMESPACE;
        return {
          localPort,
          service: { service: service as ServiceName, namespace: home as NamespaceName },
          ...(port === undefined ? {} : { port }),
        };
      }),
    ),
    probes: read.MESH_PROBES,
    containerPorts: read.MESH_CONTAINER_PORTS,
    logLevel: read.MESH_LOG_LEVEL,
    drainMs: read.MESH_DRAIN_SECONDS,
    graceMs: read.MESH_GRACE_SECONDS,
    style: read.MESH_STYLE,
    kubeTokenDir: read.MESH_KUBE_TOKEN_DIR,
    caTokenFile: read.MESH_CA_TOKEN_FILE,
  });
}

function presence(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}

function faultText(issue: z.core.$ZodIssue, given: Record<string, string | undefined>): string {
  const variable = String(issue.path[0] ?? 'environment');
  if (given[variable] === undefined) return `${variable} is not set`;
  return `${variable}: ${issue.message}`;
}

function parseIps(text: string): string[] {
  const ips = text.split(',').map((part) => part.trim());
  const wrong = ips.filter((ip) => isIP(ip) === 0);
  if (wrong.length > 0)
    throw new RangeError(`${JSON.stringify(wrong[0])} is no IP address (fieldRef status.podIPs)`);
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
    throw new RangeError(`no JSON; ${hint}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RangeError(hint);
  const ports = new Map<string, number>();
  const faults: string[] = [];
  for (const [portName, port] of Object.entries(value)) {
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      faults.push(`port ${JSON.stringify(portName)}: write a number from 1 to 65535`);
    else ports.set(portName, port as number);
  }
  if (faults.length > 0) throw new RangeError(faults.join('\n'));
  return ports;
}
