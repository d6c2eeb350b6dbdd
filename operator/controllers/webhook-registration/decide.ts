import { API_GROUP, API_VERSION, LABELS, MANAGED_BY_VALUE, OPERATOR_SERVICE } from '#core/constants.ts';
import type { OwnerReference } from '#core/resource.ts';
import { rfc3339 } from '#base/times.ts';
import type { MutatingWebhook, ValidatingWebhook } from '#kube/types.ts';

import { WEBHOOK_NAME } from '../../config/names.ts';
import { partOf, pathOf } from '../../webhooks/path-part.ts';
import type { Endpoint } from '../../webhooks/path-part.ts';
import { ALSO_ACCEPTED_ANNOTATION } from '../../webhooks/registered-paths.ts';
import {
  DEBUG_CONTAINER_INTRUDES,
  INJECT_ANNOTATION_ASKS,
  INJECT_LABEL_ASKS,
  NOT_ASKED_BY_POD,
  RESERVED_KEYS_WRITTEN,
} from './match-conditions.ts';
import type { PathState } from './path-renewal.ts';

const INJECT = 'mesh/inject';
const INJECT_TIMEOUT_SECONDS = 5;
const VALIDATE_TIMEOUT_SECONDS = 10;

export interface WebhookSituation {
  readonly meshNamespace: string;
  readonly excludedNamespaces: readonly string[];
  /** Whether the server knows `matchConditions`; without them a dead webhook must not stop every pod of the cluster. */
  readonly matchConditions: boolean;
  /** Root certificates (PEM) that vouch for the operator. */
  readonly roots: string;
  readonly owner: OwnerReference | undefined;
  /** The unguessable part of the paths, and where its renewal stands. */
  readonly paths: PathState;
}

/**
 * The MutatingWebhookConfiguration that brings pods to injection. Every field that the server would fill in is written out, so that it
 * can be compared with what is there. Pure.
 */
export function mutatingWebhook(situation: WebhookSituation): MutatingWebhook {
  const { matchConditions } = situation;
  const common = {
    ...shared(situation, 'inject', INJECT_TIMEOUT_SECONDS),
    failurePolicy: matchConditions ? 'Fail' : 'Ignore',
    reinvocationPolicy: 'IfNeeded',
    rules: [
      {
        apiGroups: [''],
        apiVersions: ['v1'],
        operations: ['CREATE'],
        resources: ['pods'],
        scope: 'Namespaced',
      },
    ],
  };
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: metadata(situation),
    webhooks: [
      {
        ...common,
        name: 'pods.inject.mesh.dev',
        namespaceSelector: { matchExpressions: [notIn(situation)] },
        objectSelector: {},
        ...(matchConditions
          ? {
              matchConditions: [
                {
                  name: 'pod-asks-for-injection',
                  expression: `${INJECT_ANNOTATION_ASKS} || ${INJECT_LABEL_ASKS}`,
                },
              ],
            }
          : {}),
      },
      {
        ...common,
        // The API server has seen the namespace's label; our cache of namespaces may not have it yet.
        ...shared(situation, 'inject-by-namespace', INJECT_TIMEOUT_SECONDS),
        name: 'namespaces.inject.mesh.dev',
        namespaceSelector: {
          matchExpressions: [notIn(situation), { key: INJECT, operator: 'In', values: ['true'] }],
        },
        objectSelector: { matchExpressions: [{ key: INJECT, operator: 'NotIn', values: ['false'] }] },
        ...(matchConditions
          ? { matchConditions: [{ name: 'pod-leaves-it-to-its-namespace', expression: NOT_ASKED_BY_POD }] }
          : {}),
      },
    ],
  };
}

/**
 * The ValidatingWebhookConfiguration for the mesh's own resources, whose status is not validated because only the mesh writes it, and for
 * what only the mesh writes on pods. Pure.
 */
export function validatingWebhook(situation: WebhookSituation): ValidatingWebhook {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: metadata(situation),
    webhooks: [
      {
        ...shared(situation, 'validate', VALIDATE_TIMEOUT_SECONDS),
        name: 'resources.validate.mesh.dev',
        // A deny must get through when the operator is down; nothing it refuses would open anything (docs/decisions/0004).
        failurePolicy: 'Ignore',
        namespaceSelector: {},
        objectSelector: {},
        rules: [
          {
            apiGroups: [API_GROUP],
            apiVersions: [API_VERSION],
            operations: ['CREATE', 'UPDATE'],
            resources: ['intentions', 'meshservices', 'meshconfigs'],
            scope: '*',
          },
        ],
      },
      ...podWebhooks(situation),
    ],
  };
}

/**
 * Pods with labels or annotations `mesh.dev/…`, in every namespace: where nothing is injected, none may have them. A change by the path of the
 * status matters because it can change labels too; containers for debugging have a path of their own.
 */
function podWebhooks(situation: WebhookSituation) {
  const common = {
    ...shared(situation, 'validate', INJECT_TIMEOUT_SECONDS),
    namespaceSelector: {},
    objectSelector: {},
  };
  const rule = (operations: readonly string[], resources: readonly string[]) => ({
    apiGroups: [''],
    apiVersions: ['v1'],
    ...{ operations, resources },
    scope: 'Namespaced',
  });
  if (!situation.matchConditions) {
    // Here a webhook cannot choose by keys, so it sees every change of meshed pods, must stop none when it is away, and leaves out their status.
    return [
      {
        ...common,
        name: 'pods.validate.mesh.dev',
        failurePolicy: 'Ignore',
        objectSelector: { matchExpressions: [{ key: LABELS.injected, operator: 'Exists' }] },
        rules: [rule(['CREATE', 'UPDATE'], ['pods'])],
      },
    ];
  }
  return [
    {
      ...common,
      name: 'pods.validate.mesh.dev',
      failurePolicy: 'Fail',
      rules: [rule(['CREATE', 'UPDATE'], ['pods']), rule(['UPDATE'], ['pods/status'])],
      matchConditions: [{ name: 'writes-what-only-the-mesh-writes', expression: RESERVED_KEYS_WRITTEN }],
    },
    {
      ...common,
      name: 'debug.validate.mesh.dev',
      failurePolicy: 'Fail',
      rules: [rule(['UPDATE'], ['pods/ephemeralcontainers'])],
      matchConditions: [{ name: 'takes-the-place-of-the-sidecar', expression: DEBUG_CONTAINER_INTRUDES }],
    },
  ];
}

function shared(
  { meshNamespace, roots, paths }: WebhookSituation,
  endpoint: Endpoint,
  timeoutSeconds: number,
) {
  // Without a part only until the first one is announced: then it stays at the path that earlier versions know.
  const path = paths.registered === undefined ? legacyPathOf(endpoint) : pathOf(paths.registered, endpoint);
  return {
    admissionReviewVersions: ['v1'],
    clientConfig: {
      caBundle: Buffer.from(roots).toString('base64'),
      service: { name: OPERATOR_SERVICE, namespace: meshNamespace, path, port: 443 },
    },
    matchPolicy: 'Equivalent',
    sideEffects: 'None',
    timeoutSeconds,
  };
}

function metadata({ owner, paths }: WebhookSituation) {
  return {
    name: WEBHOOK_NAME,
    labels: { [LABELS.managedBy]: MANAGED_BY_VALUE },
    annotations: pathAnnotations(paths),
    ...(owner ? { ownerReferences: [owner] } : {}),
  };
}

const PHASE_ANNOTATION = 'mesh.dev/webhook-path-phase';
const SINCE_ANNOTATION = 'mesh.dev/webhook-path-since';
const REQUEST_ANNOTATION = 'mesh.dev/webhook-path-request';

/** Every annotation about paths. */
export const PATH_ANNOTATIONS = [
  ALSO_ACCEPTED_ANNOTATION,
  PHASE_ANNOTATION,
  SINCE_ANNOTATION,
  REQUEST_ANNOTATION,
] as const;

function pathAnnotations({ also, phase, since, request }: PathState): Readonly<Record<string, string>> {
  return {
    ...(also === undefined ? {} : { [ALSO_ACCEPTED_ANNOTATION]: also }),
    ...(phase === undefined ? {} : { [PHASE_ANNOTATION]: phase }),
    ...(since === undefined ? {} : { [SINCE_ANNOTATION]: rfc3339(since) }),
    ...(request === undefined ? {} : { [REQUEST_ANNOTATION]: request }),
  };
}

/** Where the renewal of paths stands, by a configuration that is there; undefined for none. Pure. */
export function pathStateOf(
  configuration: MutatingWebhook | ValidatingWebhook | undefined,
): PathState | undefined {
  if (!configuration) return undefined;
  const { annotations = {} } = configuration.metadata;
  const also = annotations[ALSO_ACCEPTED_ANNOTATION];
  const phase = annotations[PHASE_ANNOTATION];
  const since = Date.parse(annotations[SINCE_ANNOTATION] ?? '');
  const request = annotations[REQUEST_ANNOTATION];
  return {
    registered: partOf(configuration.webhooks?.[0]?.clientConfig.service?.path),
    ...(also === undefined ? {} : { also }),
    ...(phase === 'Announced' || phase === 'Replaced' ? { phase } : {}),
    ...(Number.isNaN(since) ? {} : { since }),
    ...(request === undefined ? {} : { request }),
  };
}

/** The path as earlier versions registered it. */
function legacyPathOf(endpoint: Endpoint): string {
  return { inject: '/inject', 'inject-by-namespace': '/inject/by-namespace', validate: '/validate' }[
    endpoint
  ];
}

/** Never: the system's own namespace, the mesh's own (the operator could not start without itself), and those the user names. */
function notIn({ meshNamespace, excludedNamespaces }: WebhookSituation) {
  const values = [...new Set(['kube-system', meshNamespace, ...excludedNamespaces])].sort();
  return { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values };
}
