import type { V1Pod } from '@kubernetes/client-node';
import { applyPatch } from 'rfc6902';
import type { Operation } from 'rfc6902';

import type { InjectionContext } from './context.ts';
import { inject } from './inject.ts';
import type { Injection } from './inject.ts';
import type { JsonPatchOp } from './json-patch.ts';
import { podSchema } from './pod.ts';

/** The document after the patch, as an API server computes it. Throws when an operation fails. */
export function patched<T>(document: T, patch: readonly JsonPatchOp[]): T {
  const copy = structuredClone(document);
  for (const error of applyPatch(copy, patch as Operation[])) if (error) throw error;
  return copy;
}

/** Reads a pod and injects it. */
export function injectRaw(pod: unknown, context: InjectionContext): Injection {
  return inject(podSchema.parse(pod), context);
}

/** The pod that comes out of an injection that must succeed. */
export function injected(
  pod: unknown,
  context: InjectionContext,
): { pod: V1Pod & { metadata: object; spec: object }; warnings: readonly string[] } {
  const outcome = injectRaw(pod, context);
  if (!('service' in outcome)) throw new Error(JSON.stringify(outcome));
  return {
    pod: patched(pod, outcome.patch) as V1Pod & { metadata: object; spec: object },
    warnings: outcome.warnings,
  };
}
