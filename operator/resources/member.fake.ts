import { MOUNT_PATHS, RUN_SCHEDULER, SIDECAR_CONTAINER, SIDECAR_UID, VOLUMES } from '#core/constants.ts';
import type { SidecarStyle } from '#core/pod/sidecar-of-pod.ts';
import type { Pod } from '#kube/types.ts';

type PodSpec = NonNullable<Pod['spec']>;

/** The spec of a pod that carries a sidecar for `service`, as injection makes it (`e2e/contract/injected-pod.test.ts` holds the two together). */
export function memberSpec(service: string, account = service, style: SidecarStyle = 'native'): PodSpec {
  const sidecar = {
    name: SIDECAR_CONTAINER,
    image: 'mesh-sidecar:test',
    env: [{ name: 'MESH_SERVICE', value: service }],
    securityContext: { runAsUser: SIDECAR_UID },
    volumeMounts: [{ name: VOLUMES.caToken, mountPath: MOUNT_PATHS.caToken, readOnly: true }],
  };
  const application = { name: 'app', image: 'app:1' };
  return {
    serviceAccountName: account,
    ...(style === 'native'
      ? { initContainers: [{ ...sidecar, restartPolicy: 'Always' }], containers: [application] }
      : { containers: [sidecar, application] }),
    volumes: [
      {
        name: VOLUMES.caToken,
        projected: {
          sources: [{ serviceAccountToken: { path: 'token', audience: 'mesh-ca.cluster.local' } }],
        },
      },
    ],
  };
}

/** The spec of a pod that stands for a process outside of pods. */
export function registrationSpec(service: string): PodSpec {
  return {
    serviceAccountName: service,
    schedulerName: RUN_SCHEDULER,
    containers: [{ name: service, image: 'mesh.dev/process-outside-of-pods' }],
  };
}
