import { API_GROUP, API_VERSION, LABELS, MANAGED_BY_VALUE, OPERATOR_SERVICE } from '#core/constants.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { MutatingWebhook, ValidatingWebhook } from '#kube/types.ts';

import { INJECT_ANNOTATION_ASKS, INJECT_LABEL_ASKS, NOT_ASKED_BY_POD } from './match-conditions.ts';

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

/** The ValidatingWebhookConfiguration for the mesh's own resources. Their status is not validated: only the mesh writes it. Pure. */
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
    ],
  };
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
