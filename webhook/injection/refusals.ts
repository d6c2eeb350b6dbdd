import { PORTS, REDIRECT_CONTAINER, SIDECAR_CONTAINER, SIDECAR_UID } from '#core/constants.ts';
import type { Fault } from '#core/fault.ts';
import type { PodAnnotations } from '#core/pod/pod-annotations.ts';
import { ANNOTATIONS } from '#core/constants.ts';
import { MOUNT_PATHS, VOLUMES } from './context.ts';
import type { PlacedContainer, Pod } from './pod.ts';
import { placedContainers, runsWithThePod } from './pod.ts';

/** A fault with a stable word for metrics. */
export interface InjectionRefusal extends Fault {
  readonly reason:
    | 'bad-annotation'
    | 'no-service-name'
    | 'host-network'
    | 'windows'
    | 'uid-clash'
    | 'name-clash'
    | 'volume-clash'
    | 'port-clash'
    | 'too-large';
}

/** Ports on which the sidecar listens from the first second; an application cannot have them. */
const TAKEN_PORTS = [PORTS.inbound, PORTS.outbound, PORTS.admin, PORTS.adminLocal];
const DEFAULT_GRACE_SECONDS = 30;

/** Why a pod cannot be part of the mesh as it is written: every reason, each with what to write instead. */
export function refusalsOf(pod: Pod, annotations: PodAnnotations): readonly InjectionRefusal[] {
  const placed = placedContainers(pod);
  return [
    ...wholePod(pod),
    ...drain(pod, annotations),
    ...placed.flatMap((one) => [...names(one), ...intrusions(one), ...ports(one)]),
    ...(pod.spec.volumes ?? []).flatMap((volume, index) =>
      ownVolume(['spec', 'volumes', index], volume.name),
    ),
    ...upstreamPorts(placed, annotations),
  ];
}

function wholePod({ spec }: Pod): InjectionRefusal[] {
  const refusals: InjectionRefusal[] = [];
  if (spec.hostNetwork === true) {
    refusals.push({
      reason: 'host-network',
      field: 'spec.hostNetwork',
      message: `the pod shares the network of its node, so redirecting its traffic would redirect the node's; remove hostNetwork, or write ${ANNOTATIONS.inject}: "false"`,
    });
  }
  if (spec.os?.name === 'windows' || spec.nodeSelector?.['kubernetes.io/os'] === 'windows') {
    refusals.push({
      reason: 'windows',
      field: spec.os?.name === 'windows' ? 'spec.os.name' : 'spec.nodeSelector',
      message: `the sidecar runs on Linux only; write ${ANNOTATIONS.inject}: "false"`,
    });
  }
  if (spec.securityContext?.runAsUser === SIDECAR_UID)
    refusals.push(uidClash('spec.securityContext.runAsUser', 'the pod'));
  return refusals;
}

function drain({ spec }: Pod, { drainSeconds }: PodAnnotations): InjectionRefusal[] {
  const grace = spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  if (drainSeconds === undefined || drainSeconds <= grace) return [];
  return [
    {
      reason: 'bad-annotation',
      field: ANNOTATIONS.drainSeconds,
      message: `"${drainSeconds}" is longer than the pod has to end; write at most "${grace}", or raise spec.terminationGracePeriodSeconds`,
    },
  ];
}

function names({ container, path }: PlacedContainer): InjectionRefusal[] {
  if (container.name !== SIDECAR_CONTAINER && container.name !== REDIRECT_CONTAINER) return [];
  return [
    {
      reason: 'name-clash',
      field: fieldOf(path, 'name'),
      message: `"${container.name}" is the name of a container that injection adds; write another name`,
    },
  ];
}

/** Where a container would take the sidecar's place: its user, whose traffic is not redirected, or its tokens. */
export function intrusions(placed: PlacedContainer): readonly InjectionRefusal[] {
  return [...users(placed), ...mounts(placed)];
}

function users({ container, path }: PlacedContainer): InjectionRefusal[] {
  if (container.securityContext?.runAsUser !== SIDECAR_UID) return [];
  return [uidClash(fieldOf(path, 'securityContext.runAsUser'), `container ${container.name}`)];
}

function uidClash(field: string, who: string): InjectionRefusal {
  return {
    reason: 'uid-clash',
    field,
    message: `user ${SIDECAR_UID} is the sidecar's, whose traffic is not redirected: ${who} would bypass the mesh; write another user`,
  };
}

function mounts({ container, path }: PlacedContainer): InjectionRefusal[] {
  return (container.volumeMounts ?? []).flatMap((mount, index): InjectionRefusal[] => {
    const place = [...path, 'volumeMounts', index];
    const inside = Object.values(MOUNT_PATHS).some(
      (own) => mount.mountPath === own || mount.mountPath.startsWith(`${own}/`),
    );
    if (inside) {
      return [
        {
          reason: 'volume-clash',
          field: fieldOf(place, 'mountPath'),
          message: `"${mount.mountPath}" is where the sidecar keeps its tokens; write another path`,
        },
      ];
    }
    return ownVolume(place, mount.name);
  });
}

function ownVolume(place: readonly (string | number)[], name: string): InjectionRefusal[] {
  if (!Object.values<string>(VOLUMES).includes(name)) return [];
  return [
    {
      reason: 'volume-clash',
      field: fieldOf(place, 'name'),
      message: `"${name}" is the volume of the sidecar's own token, which no other container may read; write another name`,
    },
  ];
}

function ports(placed: PlacedContainer): InjectionRefusal[] {
  if (!runsWithThePod(placed)) return [];
  const { container, path } = placed;
  return (container.ports ?? []).flatMap((port, index): InjectionRefusal[] => {
    if (!isTcp(port.protocol) || !TAKEN_PORTS.some((taken) => taken === port.containerPort)) return [];
    return [
      {
        reason: 'port-clash',
        field: fieldOf([...path, 'ports', index], 'containerPort'),
        message: `the sidecar listens on ${port.containerPort}; let container ${container.name} listen on another port, not ${TAKEN_PORTS.join(', ')}`,
      },
    ];
  });
}

function upstreamPorts(
  placed: readonly PlacedContainer[],
  { upstreams }: PodAnnotations,
): InjectionRefusal[] {
  if (upstreams.length === 0) return [];
  const owners = listeningContainers(placed);
  return upstreams.flatMap(({ service, localPort }): InjectionRefusal[] => {
    const owner = owners.get(localPort);
    if (owner === undefined) return [];
    return [
      {
        reason: 'port-clash',
        field: ANNOTATIONS.upstreams,
        message: `local port ${localPort} for "${service}" is a port that container ${owner} listens on; write another local port`,
      },
    ];
  });
}

/** The first container that listens on each TCP port. */
function listeningContainers(placed: readonly PlacedContainer[]): ReadonlyMap<number, string> {
  const owners = new Map<number, string>();
  for (const { container } of placed.filter(runsWithThePod)) {
    for (const { protocol, containerPort } of container.ports ?? [])
      if (isTcp(protocol) && !owners.has(containerPort)) owners.set(containerPort, container.name);
  }
  return owners;
}

export function isTcp(protocol: string | null | undefined): boolean {
  return (protocol ?? 'TCP') === 'TCP';
}

function fieldOf(path: readonly (string | number)[], last: string): string {
  const start = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('');
  return `${start.slice(1)}.${last}`;
}
