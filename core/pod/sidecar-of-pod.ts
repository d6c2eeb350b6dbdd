import {
  CA_AUDIENCE_PREFIX,
  MOUNT_PATHS,
  REDIRECT_CONTAINER,
  SIDECAR_CONTAINER,
  SIDECAR_UID,
  VOLUMES,
} from '../constants.ts';
import { quoted } from '../fault.ts';
import { isDnsLabel } from '../names.ts';
import type { ServiceName } from '../names.ts';

/**
 * Whether a pod's spec has our sidecar, and for which service. Labels can be changed while a pod lives, and anybody who may
 * write pods can write them; the containers of a pod, their users, mounts and environment cannot be changed any more
 * (Kubernetes API, "Pod update and replacement"). So this, and no label, is what a grant looks at.
 *
 * The image is not compared: it is the one field of a container that can be changed later, registries are mirrored by policies
 * that rewrite it, and whoever may write the rest may write it too (docs/decisions/0024).
 */

/** How a sidecar stands in a pod: an init container that goes on running (Kubernetes 1.29), or one more container. */
export type SidecarStyle = 'native' | 'ordinary';

export interface PodSidecar {
  readonly style: SidecarStyle;
  /** The service that the sidecar was made for. */
  readonly service: ServiceName;
}

type Maybe<T> = T | null | undefined;

/** The part of a container that is looked at; nothing of it is trusted. */
export interface ContainerFacts {
  readonly name: string;
  readonly restartPolicy?: Maybe<string>;
  readonly env?: Maybe<readonly { readonly name: string; readonly value?: Maybe<string> }[]>;
  readonly securityContext?: Maybe<{ readonly runAsUser?: Maybe<number> }>;
  readonly volumeMounts?: Maybe<readonly { readonly name: string; readonly mountPath: string }[]>;
}

interface VolumeFacts {
  readonly name: string;
  readonly projected?: Maybe<{
    readonly sources?: Maybe<
      readonly Maybe<{ readonly serviceAccountToken?: Maybe<{ readonly audience?: Maybe<string> }> }>[]
    >;
  }>;
}

export interface PodSpecFacts {
  readonly hostNetwork?: Maybe<boolean>;
  readonly containers?: Maybe<readonly ContainerFacts[]>;
  readonly initContainers?: Maybe<readonly ContainerFacts[]>;
  readonly volumes?: Maybe<readonly VolumeFacts[]>;
}

/** The variable of the sidecar's environment that names the service. */
export const SERVICE_VARIABLE = 'MESH_SERVICE';

/**
 * The sidecar in a pod's spec as injection makes it: its name and its place, its user, the token for the signer mounted into it
 * and into no other container, and the service it was made for. Pure.
 *
 * @returns the sidecar, or a sentence about the first thing that is not as injection makes it
 */
export function sidecarOfPod(spec: Maybe<PodSpecFacts>): PodSidecar | { readonly fault: string } {
  if (spec?.hostNetwork === true) return { fault: 'the pod uses the network of its node' };
  const placed = containerOf(spec ?? {});
  if (!placed)
    return { fault: `the pod has no container ${SIDECAR_CONTAINER} that runs as long as the pod does` };
  const { sidecar, style } = placed;
  const fault = containerFault(sidecar) ?? tokenFault(spec ?? {}, sidecar);
  if (fault !== undefined) return { fault };
  const service = serviceOf(sidecar);
  return service === undefined
    ? { fault: `container ${SIDECAR_CONTAINER} names no service (${SERVICE_VARIABLE})` }
    : { style, service };
}

function containerOf({
  containers,
  initContainers,
}: PodSpecFacts): { readonly sidecar: ContainerFacts; readonly style: SidecarStyle } | undefined {
  const native = (initContainers ?? []).find(
    ({ name, restartPolicy }) => name === SIDECAR_CONTAINER && restartPolicy === 'Always',
  );
  if (native) return { sidecar: native, style: 'native' };
  const ordinary = (containers ?? []).find(({ name }) => name === SIDECAR_CONTAINER);
  return ordinary && { sidecar: ordinary, style: 'ordinary' };
}

function serviceOf({ env }: ContainerFacts): ServiceName | undefined {
  const name = (env ?? []).find((variable) => variable.name === SERVICE_VARIABLE)?.value ?? '';
  return isDnsLabel(name) ? (name as ServiceName) : undefined;
}

/** Whether a container has a name that injection gives. */
export function isOwnContainer({ name }: { readonly name: string }): boolean {
  return name === SIDECAR_CONTAINER || name === REDIRECT_CONTAINER;
}

function containerFault({ securityContext, volumeMounts }: ContainerFacts): string | undefined {
  if (securityContext?.runAsUser !== SIDECAR_UID)
    return `container ${SIDECAR_CONTAINER} does not run as user ${SIDECAR_UID}`;
  const isMounted = (volumeMounts ?? []).some(
    ({ name, mountPath }) => name === VOLUMES.caToken && mountPath === MOUNT_PATHS.caToken,
  );
  return isMounted
    ? undefined
    : `container ${SIDECAR_CONTAINER} does not mount ${VOLUMES.caToken} at ${MOUNT_PATHS.caToken}`;
}

function tokenFault(
  { containers, initContainers, volumes }: PodSpecFacts,
  sidecar: ContainerFacts,
): string | undefined {
  const sources = (volumes ?? []).find(({ name }) => name === VOLUMES.caToken)?.projected?.sources ?? [];
  const isOurs = sources.some((source) =>
    (source?.serviceAccountToken?.audience ?? '').startsWith(CA_AUDIENCE_PREFIX),
  );
  if (!isOurs)
    return `volume ${VOLUMES.caToken} is not a projected ServiceAccount token of audience ${CA_AUDIENCE_PREFIX}*`;
  const other = [...(initContainers ?? []), ...(containers ?? [])].find(
    (one) => one !== sidecar && (one.volumeMounts ?? []).some(({ name }) => name === VOLUMES.caToken),
  );
  return other && `container ${quoted(other.name)} mounts the sidecar's token (${VOLUMES.caToken}) too`;
}
