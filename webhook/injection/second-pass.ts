import { applyPatch } from 'rfc6902';
import type { Operation } from 'rfc6902';

import { VOLUMES } from '#core/constants.ts';
import { holds, same } from '#core/json-compare.ts';
import { isOwnContainer } from '#core/pod/sidecar-of-pod.ts';
import type { JsonPatchOp } from './json-patch.ts';
import { PatchBuilder } from './json-patch.ts';
import type { Container, Pod } from './pod.ts';
import { placedContainers } from './pod.ts';

/** What a container may not have that we make: it would run something else, or with another environment. */
const FOREIGN_FIELDS = ['command', 'envFrom', 'workingDir'] as const;

/**
 * What is left to change of a pod that carries our parts already, so that they are as we make them now: nothing in a second pass over a
 * pod that nobody changed in between. What others may rightly have changed in our containers stays: the image (registries are mirrored),
 * its pull policy, and resources (limits that a LimitRange fills in).
 *
 * @param bare the pod without our parts
 * @param patch what injection does to `bare`
 */
export function secondPass(pod: Pod, bare: Pod, patch: readonly JsonPatchOp[]): readonly JsonPatchOp[] {
  const made = JSON.parse(JSON.stringify(bare)) as Pod;
  for (const error of applyPatch(made, patch as Operation[])) if (error) throw error;
  const builder = new PatchBuilder(pod);
  for (const map of ['labels', 'annotations'] as const) {
    const wanted = made.metadata?.[map];
    if (!same(pod.metadata?.[map], wanted)) builder.set(['metadata', map], wanted);
  }
  const existing = new Map(placedContainers(pod).map(({ container }) => [container.name, container]));
  for (const list of ['containers', 'initContainers'] as const) {
    const actual = pod.spec[list] ?? [];
    const wanted = (made.spec[list] ?? []).map((one) => keepWhatOthersSet(one, existing.get(one.name)));
    if (holds(actual, wanted) && !actual.some(isForeign)) continue;
    if (wanted.length > 0) builder.set(['spec', list], wanted);
    else builder.remove(['spec', list]);
  }
  if (!ownVolumesHold(pod, made)) builder.set(['spec', 'volumes'], made.spec.volumes);
  return builder.operations;
}

function isForeign(container: Container): boolean {
  return isOwnContainer(container) && FOREIGN_FIELDS.some((field) => container[field] !== undefined);
}

function keepWhatOthersSet(made: Container, found: Container | undefined): Container {
  if (!found || !isOwnContainer(made)) return made;
  const { image, imagePullPolicy } = found;
  return {
    ...made,
    ...(typeof image === 'string' ? { image } : {}),
    ...(typeof imagePullPolicy === 'string' ? { imagePullPolicy } : {}),
    resources: {
      ...found.resources,
      requests: { ...found.resources?.requests, ...made.resources?.requests },
      limits: { ...found.resources?.limits, ...made.resources?.limits },
    },
  };
}

/** Others may have put volumes behind ours; the order of volumes means nothing. */
function ownVolumesHold(pod: Pod, made: Pod): boolean {
  const own: readonly string[] = Object.values(VOLUMES);
  const wanted = (made.spec.volumes ?? []).filter(({ name }) => own.includes(name));
  return wanted.every((volume) =>
    holds(
      (pod.spec.volumes ?? []).find(({ name }) => name === volume.name),
      volume,
    ),
  );
}
