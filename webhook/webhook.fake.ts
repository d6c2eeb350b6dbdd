import { meshSettings } from '#core/model/mesh-settings.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { RawIntention } from '#core/policy/rule.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { injectionContext } from './injection/context.fake.ts';
import type { WebhookDeps } from './answer-review.ts';
import type { ClusterView } from './cluster-view.ts';

export const NOW = Date.UTC(2026, 5, 1);

export interface FakeWebhook extends WebhookDeps {
  readonly view: ClusterView;
  readonly log: FakeLog;
  /** Every count, as `injection refused host-network`. */
  readonly counts: string[];
}

/** What the webhook depends on, with a cluster made of plain lists. */
export function fakeWebhook(
  cluster: {
    intentions?: readonly RawIntention[];
    meshServices?: readonly MeshService[];
    namespaceLabels?: Record<string, string>;
    ready?: boolean;
  } = {},
): FakeWebhook {
  const counts: string[] = [];
  const inNamespace = <T extends { metadata: { namespace?: string } }>(
    list: readonly T[] = [],
    namespace: string,
  ) => list.filter(({ metadata }) => metadata.namespace === namespace);
  const view: ClusterView = {
    namespaceLabels: () => cluster.namespaceLabels,
    intentions: (namespace) => inNamespace(cluster.intentions, namespace),
    meshServices: (namespace) => inNamespace(cluster.meshServices, namespace),
    settings: () => (cluster.ready === false ? undefined : meshSettings({})),
  };
  return {
    ...{ counts, view },
    lookUp: () => Promise.resolve(view),
    log: new FakeLog(),
    meshNamespace: 'mesh',
    now: () => NOW,
    injection: () => ({ ...injectionContext(), outside: true }),
    metrics: {
      injection: (...labels) => counts.push(`injection ${labels.join(' ')}`),
      validation: (...labels) => counts.push(`validation ${labels.join(' ')}`),
      duration: (endpoint, seconds) => {
        if (!(seconds >= 0)) throw new RangeError('a duration is not negative');
        counts.push(`duration ${endpoint}`);
      },
    },
  };
}

/** An AdmissionReview as the API server posts it. */
export function review(request: Record<string, unknown>): Record<string, unknown> {
  const pod = { group: '', version: 'v1' };
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'e5f1c5c0-0000-4000-8000-000000000001',
      kind: { ...pod, kind: 'Pod' },
      resource: { ...pod, resource: 'pods' },
      namespace: 'shop',
      operation: 'CREATE',
      object: null,
      oldObject: null,
      dryRun: false,
      options: {},
      userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller' },
      ...request,
    },
  };
}

/** A review of one of our resources. */
export function reviewOf(plural: string, object: unknown, old?: unknown): Record<string, unknown> {
  const group = { group: 'mesh.dev', version: 'v1alpha1' };
  return review({
    kind: { ...group, kind: 'X' },
    resource: { ...group, resource: plural },
    operation: old === undefined ? 'CREATE' : 'UPDATE',
    object,
    oldObject: old ?? null,
  });
}
