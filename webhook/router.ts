import { performance } from 'node:perf_hooks';

import express from 'express';
import type { ErrorRequestHandler, RequestHandler, Router } from 'express';

import type { AdmissionRequest, Verdict } from './admission.ts';
import { admissionResponse, readAdmissionReview } from './admission.ts';
import type { PodReviewer } from './review-pod.ts';
import { reviewPod } from './review-pod.ts';
import type { ResourceReviewer } from './review-resource.ts';
import { reviewResource } from './review-resource.ts';

export type WebhookDependencies = PodReviewer & ResourceReviewer;

/** The API server takes requests of at most 3 MB; an AdmissionReview of an update holds the object twice. */
const MAX_BODY = '7mb';

/**
 * The admission webhooks: `POST /inject`, `POST /inject/by-namespace` (pods that come because their
 * namespace asks) and `POST /validate`, to be mounted on the operator's HTTPS server. Answers at
 * once from what `view` holds and calls nobody, but for a MeshConfig that names another certificate authority. What is no AdmissionReview gets 400, 413 or 415.
 */
export function webhookRouter(dependencies: WebhookDependencies): Router {
  const router = express.Router();
  const body = express.json({ limit: MAX_BODY, type: 'application/json' });
  router.post(
    '/inject',
    body,
    endpoint('inject', dependencies, (request) => reviewPod(request, dependencies)),
  );
  router.post(
    '/inject/by-namespace',
    body,
    endpoint('inject', dependencies, (request) => reviewPod(request, dependencies, true)),
  );
  router.post(
    '/validate',
    body,
    endpoint('validate', dependencies, (request) => reviewResource(request, dependencies)),
  );
  router.all(['/inject', '/inject/by-namespace', '/validate'], (_request, response) => {
    response.set('Allow', 'POST').status(405).json({ error: 'write POST' });
  });
  router.use(unreadableBody);
  return router;
}

function endpoint(
  name: 'inject' | 'validate',
  { log, metrics }: Pick<WebhookDependencies, 'log' | 'metrics'>,
  review: (request: AdmissionRequest) => Verdict | Promise<Verdict>,
): RequestHandler {
  return async (httpRequest, httpResponse) => {
    const begin = performance.now();
    if (!httpRequest.is('application/json')) {
      httpResponse.status(415).json({ error: 'write Content-Type: application/json' });
      return;
    }
    const read = readAdmissionReview(httpRequest.body);
    if ('fault' in read) {
      httpResponse.status(400).json({ error: read.fault });
      return;
    }
    let verdict: Verdict;
    try {
      verdict = await review(read.request);
    } catch (error) {
      // A fault of ours. The API server reads it as a refusal, so nothing gets in unchecked.
      log.error({ err: error, endpoint: name, uid: read.request.uid }, 'admission failed');
      if (name === 'inject') metrics.injection('error', 'internal');
      else metrics.validation('unknown', 'error');
      verdict = {
        allowed: false,
        code: 500,
        reason: 'InternalError',
        message: 'the mesh could not decide; see the log of the operator',
      };
    }
    metrics.duration(name, (performance.now() - begin) / 1000);
    httpResponse.json(admissionResponse(read.request.uid, verdict));
  };
}

/** What the body parser refuses: no JSON, too long, cut off. */
const unreadableBody: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  const status = statusOf(error);
  if (response.headersSent || status === undefined) {
    next(error);
    return;
  }
  response.status(status).json({
    error: status === 413 ? `the body is larger than ${MAX_BODY}` : 'the body cannot be read as JSON',
  });
};

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('status' in error)) return undefined;
  const { status } = error;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}
