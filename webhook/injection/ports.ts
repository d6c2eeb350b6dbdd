import { parsePort } from '#core/net/port-list.ts';
import type { Container, PlacedContainer } from './pod.ts';
import { runsWithThePod } from './pod.ts';
import { isTcp } from './refusals.ts';

/** The number a probe's port stands for, as the kubelet finds it: a number, a port name of the same container, or digits. */
export function portNumber(container: Container, port: string | number): number | undefined {
  if (typeof port === 'number') return parsePort(String(port));
  return container.ports?.find(({ name }) => name === port)?.containerPort ?? parsePort(port);
}

/** Names of the pod's TCP ports; where two containers use one name, the first counts, as it does for Services. */
export function containerPorts(placed: readonly PlacedContainer[]): Readonly<Record<string, number>> {
  const ports = new Map<string, number>();
  for (const { container } of placed.filter(runsWithThePod)) {
    for (const { name, containerPort, protocol } of container.ports ?? []) {
      if (name !== undefined && name !== null && name !== '' && isTcp(protocol) && !ports.has(name))
        ports.set(name, containerPort);
    }
  }
  return Object.fromEntries(ports);
}
