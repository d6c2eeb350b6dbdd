import { API_GROUP, API_VERSION, LABELS, MANAGED_BY_VALUE, OPERATOR_SERVICE } from '#core/constants.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { MutatingWebhook, ValidatingWebhook } from '#kube/types.ts';

import {
  DEBUG_CONTAINER_INTRUDES,
  INJECT_ANNOTATION_ASKS,
  INJECT_LABEL_ASKS,
  NOT_ASKED_BY_POD,
  RESERVED_KEYS_WRITTEN,
} from './match-conditions.ts';

/** The name of both webhook configurations. */
export const WEBHOOK_NAME = 'mesh';
export const INJECT_PATH = '/inject';
/** Where pods come because of their namespace: the API server has seen its label, our cache of namespaces may not have it yet. */
export const INJECT_BY_NAMESPACE_PATH = '/inject/by-namespace';
export const VALIDATE_PATH = '/validate';

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
}

/**
 * The MutatingWebhookConfiguration that brings pods to injection. Every field that the server would fill in is written out, so that it
 * can be compared with what is there. Pure.
 */
export function mutatingWebhook(situation: WebhookSituation): MutatingWebhook {
  const { matchConditions } = situation;
  const common = {
    ...shared(situation, INJECT_PATH, INJECT_TIMEOUT_SECONDS),
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
        ...shared(situation, INJECT_BY_NAMESPACE_PATH, INJECT_TIMEOUT_SECONDS),
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
        ...shared(situation, VALIDATE_PATH, VALIDATE_TIMEOUT_SECONDS),
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
    ...shared(situation, VALIDATE_PATH, INJECT_TIMEOUT_SECONDS),
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

function shared({ meshNamespace, roots }: WebhookSituation, path: string, timeoutSeconds: number) {
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

function metadata({ owner }: WebhookSituation) {
  return {
    name: WEBHOOK_NAME,
    labels: { [LABELS.managedBy]: MANAGED_BY_VALUE },
    ...(owner ? { ownerReferences: [owner] } : {}),
  };
}

/** Never: the system's own namespace, the mesh's own (the operator could not start without itself), and those the user names. */
function notIn({ meshNamespace, excludedNamespaces }: WebhookSituation) {
  const values = [...new Set(['kube-system', meshNamespace, ...excludedNamespaces])].sort();
  return { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values };
}
