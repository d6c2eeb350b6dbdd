import type { BackingService, ServicePort } from '#core/model/mesh-service.ts';
import type { Pod, Service } from '#kube/types.ts';

import { isRegistration, podService, pruneMeta } from './pod.ts';

type Port = NonNullable<NonNullable<Service['spec']>['ports']>[number];

/** Keeps what the operator needs of a Service. Transform of the Services' reflector. */
export function pruneService(service: Service): Service {
  const { type, selector, clusterIP, clusterIPs, ports } = service.spec ?? {};
  return {
    metadata: pruneMeta(service.metadata),
    spec: {
      ...(type ? { type } : {}),
      ...(selector ? { selector } : {}),
      ...(clusterIP ? { clusterIP } : {}),
      ...(clusterIPs ? { clusterIPs } : {}),
      ports: (ports ?? []).map(({ name, protocol, port, targetPort }) => ({
        port,
        ...(name ? { name } : {}),
        ...(protocol ? { protocol } : {}),
        ...(targetPort === undefined ? {} : { targetPort }),
      })),
    },
  };
}

/** Whether a Service's selector matches these labels. A Service without a selector matches nothing. */
export function selects(service: Service, labels: Readonly<Record<string, string>> | undefined): boolean {
  const wanted = Object.entries(service.spec?.selector ?? {});
  return wanted.length > 0 && wanted.every(([name, value]) => labels?.[name] === value);
}

/**
 * Whether a Service stands for this pod: its selector finds it. A process outside of pods is found by no selector, so that Kubernetes'
 * own controllers leave it alone; it stands behind the Service that has its service's name.
 */
export function standsFor(service: Service, pod: Pod): boolean {
  if (isRegistration(pod)) return podService(pod) === service.metadata.name;
  return selects(service, pod.metadata.labels);
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
