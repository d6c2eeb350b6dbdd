import { performance } from 'node:perf_hooks';

import type { AdmissionRequest, ReviewVerdict } from './admission.ts';
import { admissionResponse, readAdmissionReview } from './admission.ts';
import { jsonSizeFault } from './json-size.ts';
import type { JsonLimits } from './json-size.ts';
import type { PodReviewer } from './review-pod.ts';
import { reviewPod } from './review-pod.ts';
import type { ResourceReviewer } from './review-resource.ts';
import { reviewResource } from './review-resource.ts';

export type WebhookDeps = PodReviewer & ResourceReviewer;

/** What the API server asks: a pod that asks for the mesh itself, one whose namespace asks, or an object of the mesh. */
export const ENDPOINTS = ['inject', 'inject-by-namespace', 'validate'] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** An HTTP answer with a JSON body; status 200 is an AdmissionReview, everything else says what is wrong with the request. */
export interface ReviewAnswer {
  readonly status: 200 | 400 | 413;
  readonly json: object;
}

/** The longest body, bytes. The API server takes requests of at most 3 MB; an AdmissionReview of an update holds the object twice. */
export const MAX_REVIEW_BYTES = 7 * 1024 * 1024;

/** Far above real ones: a pod of thirty containers has about 3,000 values. A pod that is too large is still to be told so by name. */
const JSON_LIMITS: Readonly<Record<Endpoint, JsonLimits>> = {
  inject: { values: 400_000, depth: 64 },
  'inject-by-namespace': { values: 400_000, depth: 64 },
  validate: { values: 50_000, depth: 64 },
};

/**
 * Answers what was posted to one of the webhooks. Whoever posted it is not known, so nothing about the body is: it may be large,
 * deep, or no review at all. Asks nobody but `deps`, and never throws.
 */
export async function answerReview(
  endpoint: Endpoint,
  body: Uint8Array,
  deps: WebhookDeps,
): Promise<ReviewAnswer> {
  const begun = performance.now();
  const size = jsonSizeFault(body, JSON_LIMITS[endpoint]);
  if (size !== undefined) return { status: 413, json: { error: size } };
  const read = readAdmissionReview(parsed(body));
  if ('fault' in read) return { status: 400, json: { error: read.fault } };
  const verdict = await decided(endpoint, read.request, deps);
  const what = endpoint === 'validate' ? 'validate' : 'inject';
  deps.metrics.duration(what, (performance.now() - begun) / 1000);
  return { status: 200, json: admissionResponse(read.request.uid, verdict) };
}

async function decided(
  endpoint: Endpoint,
  request: AdmissionRequest,
  deps: WebhookDeps,
): Promise<ReviewVerdict> {
  try {
    if (endpoint === 'validate') return await reviewResource(request, deps);
    return await reviewPod(request, deps, endpoint === 'inject-by-namespace');
  } catch (error) {
    // A fault of ours. The API server reads it as a refusal, so nothing gets in unchecked.
    deps.log.error({ err: error, endpoint, uid: request.uid }, 'admission failed');
    if (endpoint === 'validate') deps.metrics.validation('unknown', 'error');
    else deps.metrics.injection('error', 'internal');
    return {
      allowed: false,
      code: 500,
      reason: 'InternalError',
      message: 'the mesh could not decide; see the log of the operator',
    };
  }
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    return undefined;
  }
}
