import type { PodAnnotations } from '#core/pod/pod-annotations.ts';
import { formatUpstreams } from '#core/pod/upstream.ts';
import { BUILT_IN_DEFAULTS } from './context.ts';
import type { InjectionContext } from './context.ts';
import type { Pod } from './pod.ts';
import { placedContainers } from './pod.ts';
import { containerPorts } from './ports.ts';
import { nodeOptions } from './resources.ts';

export type EnvVar =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly valueFrom: { readonly fieldRef: { readonly fieldPath: string } } };

const DEFAULT_GRACE_SECONDS = 30;

export interface SidecarEnvInput {
  readonly pod: Pod;
  readonly service: string;
  readonly annotations: PodAnnotations;
  /** The probes and hooks that were rewritten, by `<container>/<kind>-<secret>`. */
  readonly probes: Readonly<Record<string, unknown>>;
  /** What the paths of probes are made from. */
  readonly probeSeed: string;
  /** Of the whole container. */
  readonly memoryLimit: string | undefined;
  readonly cores: number;
}

/** What the sidecar is told (sidecar/config/config.ts reads it). Pod facts come by the downward API: names are not known yet. */
export function sidecarEnv(input: SidecarEnvInput, context: InjectionContext): readonly EnvVar[] {
  const { pod, service, annotations, probes, probeSeed, memoryLimit, cores } = input;
  const flags = nodeOptions(memoryLimit, cores);
  const drainSeconds = annotations.drainSeconds ?? context.defaults.drainSeconds;
  return [
    { name: 'MESH_SERVICE', value: service },
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('POD_UID', 'metadata.uid'),
    field('POD_IP', 'status.podIP'),
    field('POD_IPS', 'status.podIPs'),
    field('POD_SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    { name: 'MESH_NAMESPACE', value: context.meshNamespace },
    { name: 'MESH_TRUST_DOMAIN', value: context.trustDomain },
    { name: 'MESH_OPERATOR_URL', value: context.operatorUrl },
    { name: 'MESH_TRANSPARENT', value: String(annotations.transparent) },
    { name: 'MESH_UPSTREAMS', value: formatUpstreams(annotations.upstreams) },
    { name: 'MESH_PROBES', value: literal(JSON.stringify(probes)) },
    { name: 'MESH_PROBE_SECRET', value: probeSeed },
    { name: 'MESH_CONTAINER_PORTS', value: JSON.stringify(containerPorts(placedContainers(pod))) },
    { name: 'MESH_LOG_LEVEL', value: logLevel(annotations, context) },
    ...(drainSeconds === undefined ? [] : [{ name: 'MESH_DRAIN_SECONDS', value: String(drainSeconds) }]),
    {
      name: 'MESH_GRACE_SECONDS',
      value: String(pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS),
    },
    { name: 'MESH_STYLE', value: context.style },
    ...(context.defaults.tunnel === false ? [{ name: 'MESH_TUNNEL', value: 'off' }] : []),
    ...(cores > 1 ? [{ name: 'MESH_CORES', value: String(cores) }] : []),
    ...skipEnv(annotations),
    ...(annotations.proxyProtocolPorts.length > 0
      ? [{ name: 'MESH_PROXY_PROTOCOL_PORTS', value: annotations.proxyProtocolPorts.join(',') }]
      : []),
    ...(flags === undefined ? [] : [{ name: 'NODE_OPTIONS', value: flags }]),
  ];
}

/** What the redirection is told. */
export function redirectEnv(annotations: PodAnnotations, context: InjectionContext): readonly EnvVar[] {
  return [...skipEnv(annotations), { name: 'MESH_LOG_LEVEL', value: logLevel(annotations, context) }];
}

function skipEnv({ skipInboundPorts, skipOutboundPorts, skipOutboundCidrs }: PodAnnotations): EnvVar[] {
  return [
    { name: 'MESH_SKIP_INBOUND_PORTS', value: skipInboundPorts.join(',') },
    { name: 'MESH_SKIP_OUTBOUND_PORTS', value: skipOutboundPorts.join(',') },
    { name: 'MESH_SKIP_OUTBOUND_CIDRS', value: skipOutboundCidrs.join(',') },
  ];
}

function logLevel(annotations: PodAnnotations, context: InjectionContext): string {
  return annotations.logLevel ?? context.defaults.logLevel ?? BUILT_IN_DEFAULTS.logLevel;
}

function field(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

/** Kubernetes replaces `$(NAME)` in values and reads `$$` as `$`; what users wrote must arrive as it is. */
function literal(value: string): string {
  return value.replaceAll('$', '$$$$');
}
