import { ANNOTATIONS } from '#core/constants.ts';
import type { PodAnnotations } from '#core/pod/pod-annotations.ts';
import { readPodAnnotations } from '#core/pod/pod-annotations.ts';
import type { NamedService } from '#core/pod/service-name-of-pod.ts';
import type { Pod } from './pod.ts';
import type { InjectionRefusal } from './refusals.ts';
import { refusalsOf } from './refusals.ts';
import { serviceNameOf } from './service-name.ts';
import type { Wish } from './should-inject.ts';

/** What a pod says to the mesh, and everything that keeps it from joining. */
export interface Obstacles {
  readonly name: NamedService;
  readonly annotations: PodAnnotations;
  readonly refusals: readonly InjectionRefusal[];
}

/**
 * Reads a pod that asks for the mesh, or whose namespace does. Pure.
 *
 * @param now Unix time, milliseconds
 */
export function obstaclesOf(pod: Pod, wish: Wish, now: number): Obstacles {
  const { value: annotations, faults } = readPodAnnotations(pod.metadata?.annotations ?? {});
  const name = serviceNameOf(pod, now);
  const refusals: InjectionRefusal[] = [
    ...('fault' in name
      ? [{ reason: 'no-service-name' as const, field: ANNOTATIONS.service, message: name.fault }]
      : []),
    ...('fault' in wish
      ? [{ reason: 'bad-annotation' as const, field: ANNOTATIONS.inject, message: wish.fault }]
      : []),
    ...faults
      .filter(({ field }) => field !== ANNOTATIONS.inject)
      .map((fault) => ({ ...fault, reason: 'bad-annotation' as const })),
    ...refusalsOf(pod, annotations),
  ];
  return { name, annotations, refusals };
}
