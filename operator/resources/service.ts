import { CATALOG_LIMITS } from '#core/model/catalog-entry.ts';
import type { BackingService, ServicePort } from '#core/model/mesh-service.ts';
import type { Service } from '#kube/types.ts';

import { pruneMeta } from './pod.ts';

type Port = NonNullable<NonNullable<Service['spec']>['ports']>[number];

/** Keeps what the operator needs of a Service. Transform of the Services' reflector. */
export function pruneService(service: Service): Service {
  const { type, selector, clusterIP, clusterIPs, externalIPs, ports } = service.spec ?? {};
  const balancers = service.status?.loadBalancer?.ingress ?? [];
  return {
    metadata: pruneMeta(service.metadata),
    spec: {
      ...(type ? { type } : {}),
      ...(selector ? { selector } : {}),
      ...(clusterIP ? { clusterIP } : {}),
      ...(clusterIPs ? { clusterIPs } : {}),
      ...(externalIPs ? { externalIPs } : {}),
      ports: (ports ?? []).slice(0, CATALOG_LIMITS.ports).map(({ name, protocol, port, targetPort }) => ({
        port,
        ...(name ? { name } : {}),
        ...(protocol ? { protocol } : {}),
        ...(targetPort === undefined ? {} : { targetPort }),
      })),
    },
    ...(balancers.length > 0
      ? { status: { loadBalancer: { ingress: balancers.flatMap(({ ip }) => (ip ? [{ ip }] : [])) } } }
      : {}),
  };
}

/** Whether connections to this Service can end at pods: an ExternalName is only another name. */
export function leadsToPods(service: Service): boolean {
  return service.spec?.type !== 'ExternalName';
}

/** A Service as a MeshService's status shows it. UDP and SCTP ports are left out: the mesh carries TCP. */
export function backingService(service: Service): BackingService {
  const { clusterIP, clusterIPs, ports } = service.spec ?? {};
  const addresses = clusterIPs ?? (clusterIP ? [clusterIP] : []);
  return {
    name: service.metadata.name,
    clusterIPs: addresses.filter((address) => address !== 'None' && address !== ''),
    headless: clusterIP === 'None',
    ports: (ports ?? []).filter(({ protocol }) => (protocol ?? 'TCP') === 'TCP').map(servicePort),
  };
}

function servicePort(port: Port): ServicePort {
  return {
    port: port.port,
    targetPort: port.targetPort ?? port.port,
    ...(port.name ? { name: port.name } : {}),
  };
}
