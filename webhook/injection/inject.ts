import { ANNOTATIONS, LABELS, REDIRECT_CONTAINER, SIDECAR_CONTAINER } from '#core/constants.ts';
import { faultsText } from '#core/fault.ts';
import { podIdentityWarnings } from '#core/model/service-identity.ts';
import type { PodAnnotations } from '#core/pod/pod-annotations.ts';
import type { InjectionContext } from './context.ts';
import { VOLUMES } from './context.ts';
import { redirectEnv, sidecarEnv } from './env.ts';
import type { JsonPatchOp } from './json-patch.ts';
import { PatchBuilder } from './json-patch.ts';
import { obstaclesOf } from './obstacles.ts';
import type { Pod } from './pod.ts';
import { placedContainers, podLabel } from './pod.ts';
import { priorInjection } from './prior-injection.ts';
import type { Rewrites } from './probes.ts';
import { probeSeed, rewriteProbes } from './probes.ts';
import { qualityWarnings } from './quality-of-service.ts';
import { redirectContainer } from './redirect-container.ts';
import type { InjectionRefusal } from './refusals.ts';
import { secondPass } from './second-pass.ts';
import { sidecarCores, sidecarResources } from './resources.ts';
import { injectionIntent } from './should-inject.ts';
import { sidecarContainer } from './sidecar-container.ts';
import { sidecarVolumes } from './volumes.ts';
import { warningsOf } from './warnings.ts';

/** What became of a pod; `reason` is a stable word for metrics. */
export type Injection =
  | { readonly patch: readonly JsonPatchOp[]; readonly warnings: readonly string[]; readonly service: string }
  /** A text for people with everything that is wrong with the pod. */
  | { readonly refused: string; readonly reason: string }
  /** Runs without the mesh although its namespace asks for it: a sentence why. The patch marks it, so that the operator writes an Event. */
  | { readonly leftOut: string; readonly reason: string; readonly patch: readonly JsonPatchOp[] }
  | { readonly unchanged: string; readonly reason: string };

/** Else kubectl would take the first container, which may be the sidecar. */
const KUBECTL_DEFAULTS = [
  'kubectl.kubernetes.io/default-container',
  'kubectl.kubernetes.io/default-logs-container',
] as const;

/**
 * The patch that makes a pod part of the mesh. Pure: the same pod and context give the same patch, nothing is called and
 * nothing is created. A pod that carries our parts already is looked at as if it did not, and they are made again from what else is in
 * it, so that no marker has to be trusted; one that is as we make it comes back unchanged.
 *
 * @param oversize in what the pod was found too large, see {@link sizeRefusals}; `pod` is then without its lists
 */
export function inject(
  pod: Pod,
  context: InjectionContext,
  oversize: readonly InjectionRefusal[] = [],
): Injection {
  const wish = injectionIntent(pod, context);
  if (!('fault' in wish) && !wish.inject) return { unchanged: wish.unchanged, reason: wish.reason };
  const prior = priorInjection(pod);
  const bare = prior?.pod ?? pod;
  const { name, annotations, refusals } = obstaclesOf(bare, wish, context.now);
  // A pod that carries our parts is not left out with them.
  const obstacles = [...oversize, ...refusals];
  if ('fault' in name || obstacles.length > 0)
    return wish.explicit || prior
      ? refused(pod, context, obstacles)
      : leftOut(pod, obstacles, !('fault' in wish));
  const seed = prior?.seed ?? probeSeed(context.nonce);
  const probes = rewriteProbes(placedContainers(bare), seed);
  const first = patchOf(bare, { service: name.service, annotations, probes, seed }, context);
  const patch = prior ? secondPass(pod, bare, first) : first;
  if (patch.length === 0)
    return { unchanged: 'the pod carries the sidecar already', reason: 'already-injected' };
  return {
    patch,
    warnings: [
      ...warningsOf(bare, annotations, context),
      ...qualityWarnings(bare, sidecarResources(bare, annotations, context.defaults)),
      ...probes.warnings,
      ...podIdentityWarnings(name.service, bare.spec.serviceAccountName || 'default', context.meshServices),
    ],
    service: name.service,
  };
}

function refused(
  pod: Pod,
  { namespace }: InjectionContext,
  refusals: readonly InjectionRefusal[],
): Injection {
  return {
    refused: faultsText(`pod ${namespace}/${podLabel(pod)} cannot join the mesh`, refusals),
    reason: refusals[0]?.reason ?? 'unknown',
  };
}

/** @param isMarked whether the namespace asks for the mesh in words that can be read */
function leftOut(pod: Pod, refusals: readonly InjectionRefusal[], isMarked: boolean): Injection {
  const [first] = refusals;
  const reason = first?.reason ?? 'unknown';
  const patch = new PatchBuilder(pod);
  if (isMarked) patch.set(['metadata', 'labels', LABELS.leftOut], reason);
  return {
    leftOut: `left out of the mesh, which its namespace asks for: ${first?.field ?? ''}: ${first?.message ?? ''}`,
    reason,
    patch: patch.operations,
  };
}

interface Plan {
  readonly service: string;
  readonly annotations: PodAnnotations;
  readonly probes: Rewrites;
  /** What the paths of probes are made from. */
  readonly seed: string;
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
      probeSeed: plan.seed,
      memoryLimit: resources.limits.memory,
      cores: sidecarCores(annotations, context.defaults),
    },
    context,
  );
  const sidecar = sidecarContainer({ env, resources, probeSeed: plan.seed }, context);
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
  patch.remove(['metadata', 'labels', LABELS.leftOut]);
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
