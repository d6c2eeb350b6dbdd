import { canonicalAddress } from '#core/net/address.ts';
import type { Endpoint, EndpointSlice } from '#kube/endpoint-slices.ts';
import { SERVICE_NAME_LABEL, SIDECAR_PORT_NAME, endpointSlices } from '#kube/endpoint-slices.ts';

/** What is kept of an EndpointSlice. */
export interface Slice {
  readonly namespace: string;
  /** The Kubernetes Service it belongs to; empty when it names none. */
  readonly service: string;
  readonly ipv6: boolean;
  /** Port numbers inside the pods, by name of the Service's port (empty for a nameless one). */
  readonly ports: ReadonlyMap<string, number>;
  /** Port of the sidecars there, where it is not the usual one. */
  readonly peerPort?: number;
  /** Pods that take new connections. */
  readonly ready: readonly string[];
  /** Pods that are shutting down and still serve. */
  readonly leaving: readonly string[];
  /** Every pod, ready or not. */
  readonly all: readonly string[];
}

/** EndpointSlices; {@link SliceApi} asks for them in the version the server offers. */
export const SLICES = endpointSlices({ endpointSliceVersion: 'v1' });

/** The compact form of an EndpointSlice. */
export function compactSlice(slice: EndpointSlice): Slice {
  const pods: Record<PodState | 'all', string[]> = { ready: [], leaving: [], away: [], all: [] };
  const ports = portNumbers(slice);
  const peerPort = ports.get(SIDECAR_PORT_NAME);
  // It is nobody's application.
  ports.delete(SIDECAR_PORT_NAME);
  const usable = slice.addressType === 'IPv4' || slice.addressType === 'IPv6';
  for (const endpoint of usable ? slice.endpoints : []) {
    // All addresses of one endpoint mean the same pod; the API asks consumers to use the first.
    const [first] = endpoint.addresses;
    if (first === undefined) continue;
    const address = canonicalAddress(first);
    pods.all.push(address);
    pods[podState(endpoint)].push(address);
  }
  return {
    namespace: slice.metadata.namespace ?? '',
    service: slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? '',
    ipv6: slice.addressType === 'IPv6',
    ports,
    ...(peerPort === undefined ? {} : { peerPort }),
    ready: pods.ready,
    leaving: pods.leaving,
    all: pods.all,
  };
}

type PodState = 'ready' | 'leaving' | 'away';

/** A missing condition means the usual: ready, serving, not terminating. */
function podState({ conditions = {} }: Endpoint): PodState {
  if (conditions.terminating === true) return conditions.serving === false ? 'away' : 'leaving';
  return conditions.ready === false ? 'away' : 'ready';
}

function portNumbers(slice: EndpointSlice): Map<string, number> {
  const ports = new Map<string, number>();
  for (const { name, port, protocol } of slice.ports ?? []) {
    if (typeof port === 'number' && (protocol ?? 'TCP') === 'TCP') ports.set(name ?? '', port);
  }
  return ports;
}
