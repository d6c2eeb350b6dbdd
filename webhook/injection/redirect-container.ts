import { REDIRECT_CONTAINER } from '#core/constants.ts';
import type { InjectionContext } from './context.ts';
import type { EnvVar } from './env.ts';
import type { ResourceBlock } from './resources.ts';

/**
 * The init container that loads the redirection rules and ends. It is root, for the kernel asks that of who changes rules,
 * with the two capabilities it needs and nothing else; NET_RAW is for the fallback to iptables. It gets the sidecar's
 * resources, so that it never raises what the pod asks for.
 */
export function redirectContainer(
  env: readonly EnvVar[],
  resources: ResourceBlock,
  context: InjectionContext,
): object {
  return {
    name: REDIRECT_CONTAINER,
    image: context.image,
    imagePullPolicy: context.pullPolicy,
    args: ['redirect'],
    env,
    resources,
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
  };
}
