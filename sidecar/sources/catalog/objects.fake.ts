import type { CatalogEntry } from '#core/model/catalog-entry.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';

/** Where the tests' operator publishes. */
export const MESH_NAMESPACE = 'mesh-system';

/** What the operator publishes of a service, of namespace `shop` unless said otherwise. */
export function entry(name: string, spec: object = {}, namespace = 'shop'): CatalogEntry {
  return {
    metadata: { name: `${name}.${namespace}`, namespace: MESH_NAMESPACE },
    spec: { namespace, service: name, ...spec },
  };
}

/** A MeshService of namespace `shop`. */
export function meshService(name: string, spec: object = {}): MeshService {
  return { metadata: { name, namespace: 'shop', generation: 1 }, spec };
}

/** The Kubernetes Service of `db`. */
export const dbService = {
  name: 'db',
  clusterIPs: ['10.96.0.5', 'fd00:96:0::5'],
  headless: false,
  ports: [{ name: 'pg', port: 5432, targetPort: 'postgres' }],
};

/** An EndpointSlice of namespace `shop`, of the Service `db` unless said otherwise. */
export function slice(
  name: string,
  more: { service?: string; endpoints: object[]; ports?: object[]; headless?: boolean; addressType?: string },
): EndpointSlice {
  return {
    metadata: {
      name,
      namespace: 'shop',
      labels: {
        'kubernetes.io/service-name': more.service ?? 'db',
        ...(more.headless ? { 'service.kubernetes.io/headless': '' } : {}),
      },
    },
    addressType: more.addressType ?? 'IPv4',
    ports: more.ports ?? [{ name: 'pg', port: 15432, protocol: 'TCP' }],
    endpoints: more.endpoints,
  } as EndpointSlice;
}

/** One endpoint of a slice. */
export function pod(address: string, conditions: object = { ready: true }): object {
  return { addresses: [address], conditions };
}
