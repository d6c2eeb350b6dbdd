import { ANNOTATIONS, PORTS } from '#core/constants.ts';
import type { PodAnnotations } from '#core/pod/pod-annotations.ts';
import type { InjectionContext } from './context.ts';
import type { PlacedContainer, Pod } from './pod.ts';
import { placedContainers, runsWithThePod } from './pod.ts';
import { isTcp } from './refusals.ts';

const POD_SECURITY_LABEL = 'pod-security.kubernetes.io/enforce';
const RESERVED_PORTS: readonly number[] = [PORTS.agentApi, PORTS.dns];

/** What its author should know about a pod that is injected all the same. */
export function warningsOf(
  pod: Pod,
  annotations: PodAnnotations,
  context: InjectionContext,
): readonly string[] {
  const placed = placedContainers(pod);
  return [
    ...(annotations.transparent ? [...placed.flatMap(canUndo), ...podSecurity(context)] : []),
    ...placed.filter(runsWithThePod).flatMap((one) => [...udpPorts(one), ...reservedPorts(one)]),
  ];
}

function canUndo({ container }: PlacedContainer): string[] {
  const { privileged, capabilities } = container.securityContext ?? {};
  const powers = (capabilities?.add ?? []).filter((name) =>
    ['NET_ADMIN', 'CAP_NET_ADMIN', 'ALL', 'SYS_ADMIN', 'CAP_SYS_ADMIN'].includes(name),
  );
  if (privileged === true)
    return [
      `container ${container.name} is privileged: it can undo the redirection of traffic into the mesh`,
    ];
  if (powers.length === 0) return [];
  return [
    `container ${container.name} has ${powers.join(', ')}: it can undo the redirection of traffic into the mesh`,
  ];
}

function podSecurity({ namespace, namespaceLabels }: InjectionContext): string[] {
  const level = namespaceLabels[POD_SECURITY_LABEL];
  if (level !== 'baseline' && level !== 'restricted') return [];
  return [
    `namespace ${namespace} enforces pod security ${level}, which refuses NET_ADMIN that the redirection needs; write ${ANNOTATIONS.transparent}: "false" and use ${ANNOTATIONS.upstreams}`,
  ];
}

function udpPorts({ container }: PlacedContainer): string[] {
  const ports = (container.ports ?? []).filter(({ protocol }) => !isTcp(protocol));
  if (ports.length === 0) return [];
  const list = ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol ?? ''}`).join(', ');
  return [`container ${container.name}: ${list} is not covered by the mesh, which carries TCP only`];
}

function reservedPorts({ container }: PlacedContainer): string[] {
  return (container.ports ?? [])
    .filter(({ containerPort }) => RESERVED_PORTS.includes(containerPort))
    .map(
      ({ containerPort }) =>
        `container ${container.name}: port ${containerPort} is reserved for the sidecar; a later version listens there`,
    );
}
