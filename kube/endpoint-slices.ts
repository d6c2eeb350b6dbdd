import type { V1EndpointSlice } from '@kubernetes/client-node';

import type { KubeObject } from '#core/resource.ts';
import type { ResourceType } from './api.ts';
import type { Wire } from './types.ts';

/** An EndpointSlice in the shape of discovery.k8s.io/v1. */
export type EndpointSlice = Omit<Wire<V1EndpointSlice>, 'metadata' | 'apiVersion' | 'kind'> & KubeObject;
export type Endpoint = EndpointSlice['endpoints'][number];

/** The label that names the Service an EndpointSlice belongs to. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** The label that Kubernetes puts on the slices of headless Services. */
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';

/** The port, by its name in a slice, of sidecars that do not listen on the usual one: those of processes outside of pods. */
export const SIDECAR_PORT_NAME = 'mesh-sidecar';

/** What servers before 1.21 send. */
interface BetaEndpoint extends Omit<Endpoint, 'deprecatedTopology'> {
  readonly topology?: Readonly<Record<string, string>>;
}

/**
 * EndpointSlices as this server offers them. Objects always have the shape of v1, whatever the server speaks.
 *
 * @param capabilities from `readCapabilities`
 */
export function endpointSlices(capabilities: {
  readonly endpointSliceVersion: 'v1' | 'v1beta1';
}): ResourceType<EndpointSlice> {
  return {
    group: 'discovery.k8s.io',
    version: capabilities.endpointSliceVersion,
    plural: 'endpointslices',
    kind: 'EndpointSlice',
    namespaced: true,
    decode: capabilities.endpointSliceVersion === 'v1' ? normalise : fromBeta,
  };
}

/** Whether new connections may go to an endpoint; a missing condition counts as ready, as the API says. */
export function isReady(endpoint: Endpoint): boolean {
  return endpoint.conditions?.ready !== false;
}

/** Go writes an empty list as null in `endpoints`; readers want a list. */
function normalise(slice: EndpointSlice): EndpointSlice {
  return slice.endpoints === null || slice.endpoints === undefined ? { ...slice, endpoints: [] } : slice;
}

function fromBeta(slice: EndpointSlice): EndpointSlice {
  const endpoints = (normalise(slice).endpoints as readonly BetaEndpoint[]).map(
    ({ topology, ...endpoint }): Endpoint => {
      const nodeName = endpoint.nodeName ?? topology?.['kubernetes.io/hostname'];
      const zone = topology?.['topology.kubernetes.io/zone'];
      return { ...endpoint, ...(nodeName ? { nodeName } : {}), ...(zone ? { zone } : {}) };
    },
  );
  return { ...slice, apiVersion: 'discovery.k8s.io/v1', endpoints };
}
