import { ANNOTATIONS, LABELS, RUN_SCHEDULER } from '#core/constants.ts';
import type { KubeObject } from '#core/resource.ts';
import type { ResourceType } from '#kube/api.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import { HEADLESS_LABEL, SERVICE_NAME_LABEL, SIDECAR_PORT_NAME } from '#kube/endpoint-slices.ts';
import { microTime, rfc3339 } from '#base/times.ts';
import { SERVICES } from '#kube/types.ts';

/** Objects that stand for a process outside of pods. They are those a pod has on a cluster, so that nobody else sees a difference. */

/** A process and its sidecar, as others see them. */
export interface Instance {
  readonly namespace: string;
  readonly service: string;
  /** Name of the pod that stands for it. */
  readonly pod: string;
  /** Where its sidecar is reached. */
  readonly address: string;
  /** Port of the application; undefined for one that takes no connections. */
  readonly port: number | undefined;
}

/**
 * The name of the application's port in Service, slice and pod. No other Service is likely to call one so: kube-proxy sends what is not of
 * the mesh to ports of the same name, and here only a sidecar listens.
 */
export const PORT_NAME = 'mesh-app';

/** Tokens of a ServiceAccount; create one and read its status. */
export function tokensOf(account: string): ResourceType {
  return {
    group: '',
    version: 'v1',
    plural: `serviceaccounts/${account}/token`,
    kind: 'TokenRequest',
    objectVersion: 'authentication.k8s.io/v1',
    namespaced: true,
  };
}

export function serviceAccountOf({ namespace, service }: Instance): KubeObject {
  return { metadata: { name: service, namespace } };
}

/**
 * Headless: whoever connects goes through a sidecar, which knows the instances. Without a selector: Kubernetes' endpoint slice controller
 * would look for the pod's node, and before 1.25 gave up the whole Service over one that has none (kubernetes/kubernetes#107927).
 */
export function serviceOf({ namespace, service, port }: Instance): KubeObject {
  const ports = port === undefined ? [] : [{ name: PORT_NAME, port, targetPort: PORT_NAME }];
  return {
    apiVersion: 'v1',
    kind: SERVICES.kind,
    metadata: { name: service, namespace, labels: { [LABELS.run]: 'true' } },
    spec: { clusterIP: 'None', ports },
  };
}

/** With as few labels as there can be, so that no selector of others finds it, and no wish that the most careful namespace refuses. */
export function podOf({ namespace, service, pod, port }: Instance): KubeObject {
  return {
    metadata: {
      name: pod,
      namespace,
      labels: { [LABELS.service]: service, [LABELS.injected]: 'native', [LABELS.run]: 'true' },
      // Its sidecar is not in it, also where the namespace asks for one.
      annotations: { [ANNOTATIONS.inject]: 'false' },
    },
    spec: {
      serviceAccountName: service,
      // No node runs it: on a cluster too, the pod stays a registration.
      schedulerName: RUN_SCHEDULER,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: service,
          image: 'mesh.dev/process-outside-of-pods',
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          ...(port === undefined ? {} : { ports: [{ name: PORT_NAME, containerPort: port }] }),
        },
      ],
    },
  };
}

/** The status of the pod. */
export function podStatus({ address }: Instance, ready: boolean, now: number): object {
  const status = ready ? 'True' : 'False';
  const lastTransitionTime = rfc3339(now);
  return {
    phase: 'Running',
    podIP: address,
    podIPs: [{ ip: address }],
    conditions: [{ type: 'Ready', status, lastTransitionTime }],
  };
}

/** How a slice belongs to what is there. */
export interface SlicePlace {
  /** Of the pod, which it goes with. */
  readonly uid: string;
  /** Where its sidecar listens. */
  readonly sidecarPort: number;
  readonly ready: boolean;
  /** Whether the Service is headless; slices of those say so. */
  readonly headless: boolean;
}

/** The one address behind the Service. */
export function sliceOf(
  { namespace, service, pod, address, port }: Instance,
  { uid, sidecarPort, ready, headless }: SlicePlace,
): EndpointSlice {
  const reference = { kind: 'Pod', namespace, name: pod, uid };
  return {
    metadata: {
      name: pod,
      namespace,
      labels: {
        [SERVICE_NAME_LABEL]: service,
        'endpointslice.kubernetes.io/managed-by': 'mesh-run',
        ...(headless ? { [HEADLESS_LABEL]: '' } : {}),
      },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: pod, uid }],
    },
    addressType: address.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready, serving: ready }, targetRef: reference }],
    ports: [
      ...(port === undefined ? [] : [{ name: PORT_NAME, port, protocol: 'TCP' }]),
      { name: SIDECAR_PORT_NAME, port: sidecarPort, protocol: 'TCP' },
    ],
  };
}

export function leaseOf({ namespace, pod }: Instance, uid: string, seconds: number, now: number): KubeObject {
  return {
    metadata: { name: pod, namespace, ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: pod, uid }] },
    spec: {
      holderIdentity: pod,
      leaseDurationSeconds: seconds,
      renewTime: microTime(now),
    },
  };
}
