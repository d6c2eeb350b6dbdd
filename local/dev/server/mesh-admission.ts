import { randomUUID } from 'node:crypto';

import { applyPatch } from 'rfc6902';
import type { Operation } from 'rfc6902';

import type { AdmissionRequest, ReviewVerdict } from '#webhook/admission.ts';
import { reviewPod } from '#webhook/review-pod.ts';
import type { PodReviewer } from '#webhook/review-pod.ts';
import { isPodWrite, reviewPodWrite } from '#webhook/review-pod-write.ts';
import { reviewResource } from '#webhook/review-resource.ts';
import type { ResourceReviewer } from '#webhook/review-resource.ts';

import type { Admission, AdmissionAnswer, AdmissionQuestion } from '../../apiserver/api/change/admission.ts';

/** The mesh's own webhooks, called in this process instead of over HTTPS; the names are those they are registered with. */
export function meshAdmissions(reviewers: PodReviewer & ResourceReviewer): readonly Admission[] {
  return [
    {
      name: 'pods.inject.mesh.dev',
      changes: true,
      review: async (question) => answer(question, await reviewPod(requestOf(question), reviewers)),
    },
    {
      name: 'pods.validate.mesh.dev',
      changes: false,
      // eslint-disable-next-line @typescript-eslint/require-await -- as above
      review: async (question) => {
        const request = requestOf(question);
        return answer(question, isPodWrite(request) ? reviewPodWrite(request, reviewers) : { allowed: true });
      },
    },
    {
      name: 'resources.validate.mesh.dev',
      changes: false,
      review: async (question) => {
        const request = requestOf(question);
        return answer(
          question,
          isPodWrite(request) ? { allowed: true } : await reviewResource(request, reviewers),
        );
      },
    },
  ];
}

function requestOf({ kind, operation, subresource, object, previous }: AdmissionQuestion): AdmissionRequest {
  const { group, version, plural } = kind;
  return {
    uid: randomUUID(),
    kind: { group, version, kind: kind.kind },
    resource: { group, version, resource: plural },
    subResource: subresource,
    name: object.metadata.name,
    namespace: object.metadata.namespace,
    operation,
    object,
    oldObject: previous ?? null,
  };
}

function answer({ object }: AdmissionQuestion, verdict: ReviewVerdict): AdmissionAnswer {
  if (!verdict.allowed) return verdict;
  const warnings = verdict.warnings ?? [];
  if (!verdict.patch?.length) return { allowed: true, warnings };
  const copy = structuredClone(object);
  const failed = applyPatch(copy, verdict.patch as unknown as Operation[]).find(
    (outcome) => outcome !== null,
  );
  if (failed) return { allowed: false, code: 500, reason: 'InternalError', message: failed.message };
  return { allowed: true, object: copy, warnings };
}
