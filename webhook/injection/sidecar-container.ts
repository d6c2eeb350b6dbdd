import { PORTS, SIDECAR_CONTAINER, SIDECAR_UID } from '#core/constants.ts';
import type { InjectionContext } from './context.ts';
import type { EnvVar } from './env.ts';
import type { ResourceBlock } from './resources.ts';
import { SIDECAR_MOUNTS } from './volumes.ts';

/** The program inside the image, for commands that Kubernetes runs besides the image's own entry point. */
const PROGRAM = ['node', '/mesh/sidecar.js'] as const;

export interface SidecarContainerOptions {
  readonly env: readonly EnvVar[];
  readonly resources: ResourceBlock;
  /** What ends the paths of its own probes. */
  readonly probeSeed: string;
}

/**
 * The sidecar. Native style: an init container that goes on running, behind which the application waits for the startup
 * probe. Ordinary style: the first container, whose post-start command holds the others back until the sidecar is ready.
 * Readiness is asked each second, since the pod's own start waits for it and a local GET costs the node little; only ten
 * failures count, so that a busy moment takes no pod out of service. No liveness probe: a restart would cut every
 * connection, and helps against nothing that the sidecar does not mend itself. The paths end in what only readers of the pod know:
 * by that the sidecar tells the kubelet from strangers.
 */
export function sidecarContainer(
  { env, resources, probeSeed }: SidecarContainerOptions,
  context: InjectionContext,
): object {
  return {
    name: SIDECAR_CONTAINER,
    image: context.image,
    imagePullPolicy: context.pullPolicy,
    args: ['run'],
    env,
    ports: [{ name: 'mesh-admin', containerPort: PORTS.admin, protocol: 'TCP' }],
    resources,
    volumeMounts: SIDECAR_MOUNTS,
    ...(context.style === 'native'
      ? {
          restartPolicy: 'Always',
          startupProbe: { ...probe(`/startup/${probeSeed}`), periodSeconds: 1, failureThreshold: 120 },
        }
      : { lifecycle: { postStart: { exec: { command: [...PROGRAM, 'wait'] } } } }),
    readinessProbe: { ...probe(`/readyz/${probeSeed}`), periodSeconds: 1, failureThreshold: 10 },
    securityContext: {
      runAsUser: SIDECAR_UID,
      runAsGroup: SIDECAR_UID,
      runAsNonRoot: true,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
  };
}

function probe(path: string): object {
  return { httpGet: { path, port: PORTS.admin, scheme: 'HTTP' }, timeoutSeconds: 2 };
}
