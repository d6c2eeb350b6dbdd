import {
  ANNOTATIONS,
  CA_AUDIENCE_PREFIX,
  MOUNT_PATHS,
  RESERVED_PREFIX,
  RUN_SCHEDULER,
  SIDECAR_CONTAINER,
  VOLUMES,
} from '#core/constants.ts';
import type { ObjectMeta, OwnerReference } from '#core/resource.ts';
import { SERVICE_VARIABLE } from '#core/pod/sidecar-of-pod.ts';
import type { Pod } from '#kube/types.ts';

import { isRegistration, pick, pruneMeta } from './pod.ts';

type PodSpec = NonNullable<Pod['spec']>;
type PodStatus = NonNullable<Pod['status']>;
type Container = PodSpec['containers'][number];
type Volume = NonNullable<PodSpec['volumes']>[number];

/** A pod that has more containers than this is none of ours: injection refuses far fewer. */
const MAX_CONTAINERS = 128;
/** Names and values of all labels that are kept of one pod, in characters. A usual pod has a few hundred. */
const MAX_LABEL_CHARACTERS = 16_384;
/** Of a text that the API server does not limit, in characters: the longest name there is. */
const MAX_TEXT = 253;
/** Of a process outside of pods only these ports of its address are its service's. */
const MAX_PORTS = 100;
/** The only annotations of pods that controllers read. */
const READ_ANNOTATIONS: readonly string[] = [ANNOTATIONS.inject, ANNOTATIONS.sidecarPort];

/**
 * Keeps what the operator needs of a pod and drops the rest, which is nine tenths of it. What is kept is bounded, whatever the pod's author
 * wrote: a few fields, the names of its containers, and of our own container and volume what `sidecarOfPod` looks at, which says
 * the same of the pod before and after. Transform of the pods' reflector.
 */
export function prunePod(pod: Pod): Pod {
  const { spec } = pod;
  return {
    metadata: prunePodMeta(pod.metadata),
    spec: {
      ...pick(spec, ['serviceAccountName', 'restartPolicy', 'nodeName', 'hostNetwork']),
      ...(spec?.schedulerName === RUN_SCHEDULER ? { schedulerName: RUN_SCHEDULER } : {}),
      containers: (spec?.containers ?? []).slice(0, MAX_CONTAINERS).map((container) => ({
        ...pruneContainer(container),
        ...(isRegistration(pod) ? { ports: prunePorts(container) } : {}),
      })),
      initContainers: (spec?.initContainers ?? [])
        .slice(0, MAX_CONTAINERS)
        .map(pruneContainer)
        .filter(({ name, volumeMounts }) => name === SIDECAR_CONTAINER || volumeMounts !== undefined),
      volumes: (spec?.volumes ?? [])
        .filter(({ name }) => name === VOLUMES.caToken)
        .slice(0, 1)
        .map(pruneVolume),
    },
    status: pruneStatus(pod.status),
  } as unknown as Pod;
}

function pruneStatus(status: PodStatus | undefined) {
  return {
    ...pick(status, ['phase', 'podIP', 'podIPs', 'hostIP']),
    conditions: (status?.conditions ?? [])
      .filter(({ type }) => type === 'Ready')
      .slice(0, 1)
      .map((condition) => ({ type: condition.type, status: condition.status })),
    containerStatuses: (status?.containerStatuses ?? []).slice(0, MAX_CONTAINERS).map(({ name, state }) => ({
      name,
      ...(state?.terminated ? { state: { terminated: { exitCode: state.terminated.exitCode } } } : {}),
    })),
  };
}

function prunePodMeta(meta: ObjectMeta): ObjectMeta {
  const annotations = READ_ANNOTATIONS.flatMap((name) => {
    const value = meta.annotations?.[name];
    return value === undefined ? [] : [[name, value.slice(0, MAX_TEXT)] as const];
  });
  const controller = meta.ownerReferences?.find((owner) => owner.controller === true);
  return {
    ...pruneMeta(meta, annotations.length > 0 ? Object.fromEntries(annotations) : undefined),
    ...(meta.labels ? { labels: boundedLabels(meta.labels) } : {}),
    ...(controller ? { ownerReferences: [boundedOwner(controller)] } : {}),
  };
}

function boundedOwner({ apiVersion, kind, name, uid }: OwnerReference): OwnerReference {
  const cut = (text: string): string => text.slice(0, MAX_TEXT);
  return { apiVersion: cut(apiVersion), kind: cut(kind), name: cut(name), uid: cut(uid), controller: true };
}

/** All labels, or of very many our own and as many others as fit: selectors of Services may ask for any. */
function boundedLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(labels);
  const isOwn = ([name]: readonly [string, string]): boolean => name.startsWith(RESERVED_PREFIX);
  let left = MAX_LABEL_CHARACTERS;
  const fits = ([name, value]: readonly [string, string]): boolean =>
    (left -= name.length + value.length) >= 0;
  return Object.fromEntries([...entries.filter(isOwn), ...entries.filter((one) => !isOwn(one))].filter(fits));
}

/** The name of a container, whether it mounts the sidecar's token, and of ours what makes it ours. */
function pruneContainer({ name, restartPolicy, securityContext, volumeMounts, env }: Container): Container {
  const mounts = (volumeMounts ?? []).filter((mount) => mount.name === VOLUMES.caToken);
  const mount = mounts.find(({ mountPath }) => mountPath === MOUNT_PATHS.caToken) ?? mounts[0];
  const kept = {
    name,
    ...(mount ? { volumeMounts: [{ name: mount.name, mountPath: mount.mountPath.slice(0, MAX_TEXT) }] } : {}),
  };
  if (name !== SIDECAR_CONTAINER) return kept;
  const service = env?.find((variable) => variable.name === SERVICE_VARIABLE)?.value;
  const { runAsUser } = securityContext ?? {};
  return {
    ...kept,
    ...(restartPolicy ? { restartPolicy } : {}),
    ...(runAsUser === undefined ? {} : { securityContext: { runAsUser } }),
    ...(service === undefined
      ? {}
      : { env: [{ name: SERVICE_VARIABLE, value: service.slice(0, MAX_TEXT) }] }),
  };
}

function prunePorts({ ports }: Container): NonNullable<Container['ports']> {
  return (ports ?? []).slice(0, MAX_PORTS).map(({ containerPort }) => ({ containerPort }));
}

function pruneVolume({ name, projected }: Volume): Volume {
  const audience = (projected?.sources ?? [])
    .map(({ serviceAccountToken }) => serviceAccountToken?.audience ?? '')
    .find((text) => text.startsWith(CA_AUDIENCE_PREFIX));
  if (audience === undefined) return { name };
  return {
    name,
    projected: {
      sources: [{ serviceAccountToken: { path: 'token', audience: audience.slice(0, MAX_TEXT) } }],
    },
  };
}
