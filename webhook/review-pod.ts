import { ANNOTATIONS } from '#core/constants.ts';
import type { Logger } from '#base/log.ts';
import type { AdmissionRequest, ReviewVerdict } from './admission.ts';
import type { ClusterQuestion, LookUp } from './cluster-view.ts';
import type { InjectionContext } from './injection/context.ts';
import type { Injection } from './injection/inject.ts';
import { inject } from './injection/inject.ts';
import { podLabel, podSchema } from './injection/pod.ts';
import type { Pod } from './injection/pod.ts';
import { serviceNameOf } from './injection/service-name.ts';
import { sizeRefusals, withoutLists } from './injection/pod-size.ts';
import type { WebhookMetrics } from './metrics.ts';

/** What injection is told by the operator's settings and by what the API server can do. */
export type InjectionSettings = Pick<
  InjectionContext,
  'meshNamespace' | 'excludedNamespaces' | 'image' | 'pullPolicy' | 'style' | 'defaults' | 'operatorUrl'
> & {
  /** Whether processes outside of pods may join. */
  readonly outside: boolean;
};

export interface PodReviewer {
  readonly lookUp: LookUp;
  /** Unix time, milliseconds. */
  readonly now: () => number;
  /** Asked for every pod: the style changes when the API server is upgraded. */
  readonly injection: () => InjectionSettings;
  readonly log: Logger;
  readonly metrics: WebhookMetrics;
}

/**
 * Answers the admission of a pod: a patch, or why not.
 *
 * @param namespaceAsks whether the API server itself found that the pod's namespace asks for the mesh; it knows a label
 *   before our cache does
 */
export async function reviewPod(
  request: AdmissionRequest,
  { lookUp, injection, now, log, metrics }: PodReviewer,
  namespaceAsks = false,
): Promise<ReviewVerdict> {
  const { kind, operation, subResource, namespace } = request;
  if (kind.group !== '' || kind.kind !== 'Pod' || operation !== 'CREATE' || subResource)
    return { allowed: true };
  if (!namespace) return refusal(400, 'BadRequest', 'a pod has a namespace');
  const oversize = sizeRefusals(request.object);
  const parsed = podSchema.safeParse(oversize.length === 0 ? request.object : withoutLists(request.object));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    metrics.injection('error', 'unreadable');
    return refusal(
      400,
      'BadRequest',
      `no pod: ${(issue?.path ?? []).map(String).join('.')}: ${issue?.message ?? ''}`,
    );
  }
  const pod = parsed.data;
  const view = await lookUp(questionOf(pod, namespace, now()));
  const settings = view.settings();
  if (!settings) {
    metrics.injection('error', 'not-ready');
    return refusal(
      503,
      'ServiceUnavailable',
      'the mesh has not read its MeshConfig yet; the pod can be created in a moment',
    );
  }
  const context = {
    ...injection(),
    namespace,
    namespaceLabels: {
      ...view.namespaceLabels(namespace),
      ...(namespaceAsks ? { [ANNOTATIONS.inject]: 'true' } : {}),
    },
    meshServices: view.meshServices(namespace),
    now: now(),
    trustDomain: settings.trustDomain,
    nonce: request.uid,
  };
  const outcome = inject(pod, context, oversize);
  return report(outcome, { namespace, pod: podLabel(pod) }, { log, metrics });
}

/** Its namespace, and the services whose names or ServiceAccounts it has to do with. */
function questionOf(pod: Pod, namespace: string, now: number): ClusterQuestion {
  const named = serviceNameOf(pod, now);
  return {
    namespace,
    services: 'service' in named ? [named.service] : [],
    serviceAccounts: [pod.spec.serviceAccountName || 'default'],
  };
}

function report(
  outcome: Injection,
  who: { readonly namespace: string; readonly pod: string },
  { log, metrics }: Pick<PodReviewer, 'log' | 'metrics'>,
): ReviewVerdict {
  if ('refused' in outcome) {
    metrics.injection('refused', outcome.reason);
    log.warn({ ...who, reason: outcome.reason, text: outcome.refused }, 'injection refused');
    return refusal(422, 'Invalid', outcome.refused);
  }
  if ('unchanged' in outcome) {
    metrics.injection('unchanged', outcome.reason);
    log.debug({ ...who, reason: outcome.reason }, 'pod left alone');
    return { allowed: true };
  }
  if ('leftOut' in outcome) {
    metrics.injection('left-out', outcome.reason);
    log.warn({ ...who, reason: outcome.reason, text: outcome.leftOut }, 'pod left out of the mesh');
    return { allowed: true, patch: outcome.patch, warnings: [outcome.leftOut] };
  }
  metrics.injection('injected', 'asked');
  log.info({ ...who, service: outcome.service, warnings: outcome.warnings }, 'sidecar injected');
  return { allowed: true, patch: outcome.patch, warnings: outcome.warnings };
}

function refusal(code: number, reason: string, message: string): ReviewVerdict {
  return { allowed: false, code, reason, message };
}
