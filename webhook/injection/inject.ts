import { ANNOTATIONS, LABELS, REDIRECT_CONTAINER, SIDECAR_CONTAINER } from '#core/constants.ts';
import { faultsText } from '#core/fault.ts';
import type { PodAnnotations } from '#core/pod-annotations.ts';
import { readPodAnnotations } from '#core/pod-annotations.ts';
import { serviceNameOfPod } from '#core/service-name-of-pod.ts';
import type { InjectionContext } from './context.ts';
import { VOLUMES } from './context.ts';
import { redirectEnv, sidecarEnv } from './env.ts';
import type { JsonPatchOp } from './json-patch.ts';
import { PatchBuilder } from './json-patch.ts';
import type { Pod } from './pod.ts';
import { placedContainers, podLabel } from './pod.ts';
import type { Rewrites } from './probes.ts';
import { rewriteProbes } from './probes.ts';
import { qualityWarnings } from './quality-of-service.ts';
import { redirectContainer } from './redirect-container.ts';
import type { Refusal } from './refusals.ts';
import { refusalsOf } from './refusals.ts';
import { sidecarCores, sidecarResources } from './resources.ts';
import { wishOf } from './should-inject.ts';
import { sidecarContainer } from './sidecar-container.ts';
import { sidecarVolumes } from './volumes.ts';
import { warningsOf } from './warnings.ts';

/** What became of a pod; `reason` is a stable word for metrics. */
export type Injection =
  | { readonly patch: readonly JsonPatchOp[]; readonly warnings: readonly string[]; readonly service: string }
  /** A text for people with everything that is wrong with the pod. */
  | { readonly refused: string; readonly reason: string }
  | { readonly unchanged: string; readonly reason: string };

/** Else kubectl would take the first container, which may be the sidecar. */
const KUBECTL_DEFAULTS = [
  'kubectl.kubernetes.io/default-container',
  'kubectl.kubernetes.io/default-logs-container',
] as const;

/**
 * The patch that makes a pod part of the mesh. Pure: the same pod and context give the same patch, nothing is called and
 * nothing is created. A pod that was injected before comes back unchanged.
 *
 * @param oversize in what the pod was found too large, see {@link sizeRefusals}; `pod` is then without its lists
 */
export function inject(pod: Pod, context: InjectionContext, oversize: readonly Refusal[] = []): Injection {
  const wish = wishOf(pod, context);
  if (!('fault' in wish) && !wish.inject) return { unchanged: wish.unchanged, reason: wish.reason };
  const annotations = readPodAnnotations(pod.metadata?.annotations ?? {});
  const name = serviceNameOfPod({
    annotations: pod.metadata?.annotations ?? {},
    labels: pod.metadata?.labels ?? {},
    ...(pod.spec.serviceAccountName ? { serviceAccountName: pod.spec.serviceAccountName } : {}),
  });
  const refusals: Refusal[] = [
    ...oversize,
    ...('fault' in name
      ? [{ reason: 'no-service-name' as const, field: ANNOTATIONS.service, message: name.fault }]
      : []),
    ...('fault' in wish
      ? [{ reason: 'bad-annotation' as const, field: ANNOTATIONS.inject, message: wish.fault }]
      : []),
    ...annotations.faults
      .filter(({ field }) => field !== ANNOTATIONS.inject)
      .map((fault) => ({ ...fault, reason: 'bad-annotation' as const })),
    ...refusalsOf(pod, annotations.value),
  ];
  if ('fault' in name || refusals.length > 0) return refused(pod, context, refusals);
  const probes = rewriteProbes(placedContainers(pod), context.nonce);
  return {
    patch: patchOf(pod, { service: name.service, annotations: annotations.value, probes }, context),
    warnings: [
      ...warningsOf(pod, annotations.value, context),
      ...qualityWarnings(pod, sidecarResources(pod, annotations.value, context.defaults)),
      ...probes.warnings,
    ],
    service: name.service,
  };
}

function refused(pod: Pod, { namespace }: InjectionContext, refusals: readonly Refusal[]): Injection {
  return {
    refused: faultsText(`pod ${namespace}/${podLabel(pod)} cannot join the mesh`, refusals),
    reason: refusals[0]?.reason ?? 'unknown',
  };
}

interface Plan {
  readonly service: string;
  readonly annotations: PodAnnotations;
  readonly probes: Rewrites;
}

function patchOf(pod: Pod, plan: Plan, context: InjectionContext): readonly JsonPatchOp[] {
  const patch = new PatchBuilder(pod);
  const { service, annotations } = plan;
  const resources = sidecarResources(pod, annotations, context.defaults);
  const env = sidecarEnv(
    {
      pod,
      service,
      annotations,
      probes: plan.probes.originals,
      memoryLimit: resources.limits.memory,
      cores: sidecarCores(annotations, context.defaults),
    },
    context,
  );
  const sidecar = sidecarContainer(env, resources, context);
  const redirect = annotations.transparent
    ? [redirectContainer(redirectEnv(annotations, context), resources, context)]
    : [];

  setMetadata(patch, pod, plan, context);
  // Everything that names a position comes before the insertions that shift positions.
  changeProbes(patch, pod, plan.probes);
  patch.insert(['spec', 'volumes'], sidecarVolumes(context.trustDomain), 'last');
  if (context.style === 'native') {
    patch.insert(['spec', 'initContainers'], [...redirect, sidecar], 'first');
  } else {
    patch.insert(['spec', 'initContainers'], redirect, 'last');
    patch.insert(['spec', 'containers'], [sidecar], 'first');
  }
  return patch.operations;
}

function setMetadata(
  patch: PatchBuilder,
  pod: Pod,
  { service, annotations }: Plan,
  context: InjectionContext,
): void {
  patch.set(['metadata', 'labels', LABELS.service], service);
  patch.set(['metadata', 'labels', LABELS.injected], context.style);
  const written = pod.metadata?.annotations ?? {};
  for (const key of KUBECTL_DEFAULTS) {
    const shown = written[key] ?? written[KUBECTL_DEFAULTS[0]] ?? pod.spec.containers[0]?.name;
    patch.set(['metadata', 'annotations', key], shown);
  }
  const status = {
    style: context.style,
    service,
    transparent: annotations.transparent,
    containers: [...(annotations.transparent ? [REDIRECT_CONTAINER] : []), SIDECAR_CONTAINER],
    volumes: Object.values(VOLUMES),
  };
  patch.set(['metadata', 'annotations', ANNOTATIONS.status], JSON.stringify(status));
}

function changeProbes(patch: PatchBuilder, pod: Pod, { changes }: Rewrites): void {
  const names = new Map(placedContainers(pod).map(({ path, container }) => [path.join('/'), container.name]));
  const tested = new Set<string>();
  for (const { path, value } of changes) {
    const place = path.slice(0, 3);
    const key = place.join('/');
    if (!tested.has(key)) {
      tested.add(key);
      patch.test([...place, 'name'], names.get(key));
    }
    patch.set(path, value);
  }
}
