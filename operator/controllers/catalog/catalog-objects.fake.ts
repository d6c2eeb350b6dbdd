import type { MeshService } from '#core/model/mesh-service.ts';
import type { Pod, Service } from '#kube/types.ts';

import { memberSpec, registrationSpec } from '../../resources/member.fake.ts';

export interface PodBends {
  readonly namespace?: string;
  readonly labels?: object;
  readonly account?: string;
  readonly ready?: boolean;
  readonly phase?: string;
  readonly deleted?: boolean;
  /** Empty for a pod that the kubelet has not begun. */
  readonly address?: string;
  /** Whether its spec has no sidecar, whatever its labels say. */
  readonly bare?: boolean;
  readonly hostNetwork?: boolean;
}

/** A pod of the mesh as the kubelet shows it, of namespace `shop` unless said otherwise. Its label `app` is its service's name. */
export function meshPod(name: string, service: string, bends: PodBends = {}): Pod {
  const address = bends.address ?? `10.1.0.${name.length}`;
  return {
    metadata: {
      name,
      namespace: bends.namespace ?? 'shop',
      uid: `uid-${bends.namespace ?? 'shop'}-${name}`,
      labels: { app: service, 'mesh.dev/service': service, 'mesh.dev/injected': 'native', ...bends.labels },
      ...(bends.deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: {
      ...memberSpec(service, bends.account),
      ...(bends.bare ? { initContainers: [] } : {}),
      nodeName: 'n1',
      ...(bends.hostNetwork ? { hostNetwork: true } : {}),
    },
    status: {
      phase: bends.phase ?? 'Running',
      ...(address === '' ? {} : { podIP: address, podIPs: [{ ip: address }] }),
      conditions: [{ type: 'Ready', status: bends.ready === false ? 'False' : 'True' }],
    },
  };
}

/** What `mesh run` makes for a process outside of pods. */
export function registration(name: string, service: string, address = '10.9.0.1', sidecarPort = 40_001): Pod {
  const pod = meshPod(name, service, { address, labels: { app: undefined, 'mesh.dev/run': 'true' } });
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations: { 'mesh/sidecar-port': String(sidecarPort) } },
    spec: {
      ...registrationSpec(service),
      containers: [{ name: service, ports: [{ containerPort: 5432 }] }],
    },
  };
}

/** A Service of namespace `shop`, whose cluster IP is made from its name. */
export function kubeService(
  name: string,
  selector: Record<string, string> | undefined,
  more: object = {},
): Service {
  const clusterIP = `10.96.0.${name.length}`;
  return {
    metadata: { name, namespace: 'shop' },
    spec: {
      ...(selector ? { selector } : {}),
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [{ port: 80 }],
      ...more,
    },
  };
}

/** A MeshService of namespace `shop`; made by the operator unless a user wrote it. */
export function meshServiceOf(
  name: string,
  more: { by?: 'user'; accounts?: string[]; ports?: number[]; at?: string } = {},
): MeshService {
  return {
    metadata: {
      name,
      namespace: 'shop',
      ...(more.at ? { creationTimestamp: more.at } : {}),
      ...(more.by === 'user' ? {} : { labels: { 'app.kubernetes.io/managed-by': 'mesh-operator' } }),
    },
    spec: {
      serviceAccounts: more.accounts ?? [name],
      ...(more.ports ? { ports: more.ports.map((port) => ({ port })) } : {}),
    },
  };
}
