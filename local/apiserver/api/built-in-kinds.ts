import { isRecord } from '#base/record.ts';

import type { Json } from '../store/object.ts';
import type { Column, ResourceKind } from './kind.ts';

type Wanted = Pick<ResourceKind, 'kind' | 'plural' | 'description'> &
  Partial<
    Pick<
      ResourceKind,
      'shortNames' | 'namespaced' | 'hasStatus' | 'counted' | 'access' | 'columns' | 'categories'
    >
  >;

const column = (name: string, value: Column['value'], priority = 0): Column => ({
  name,
  type: 'string',
  priority,
  value,
});

/** The kinds of Kubernetes that the mesh and its users work with, as far as they do; their fields are not checked. */
export const BUILT_IN_KINDS: readonly ResourceKind[] = [
  ...kinds('', 'v1', [
    {
      kind: 'Namespace',
      plural: 'namespaces',
      shortNames: ['ns'],
      namespaced: false,
      hasStatus: true,
      description: 'A name for a set of objects that belong together.',
      columns: [column('Status', (object) => at(object, 'status', 'phase'))],
    },
    {
      kind: 'Pod',
      plural: 'pods',
      shortNames: ['po'],
      categories: ['all'],
      hasStatus: true,
      description:
        'A registration of a process that mesh run started. Nothing starts a pod that is created otherwise.',
      columns: [
        column('Ready', (object) => condition(object, 'Ready')),
        column('Status', (object) => at(object, 'status', 'phase')),
        column('IP', (object) => at(object, 'status', 'podIP'), 1),
      ],
    },
    {
      kind: 'Service',
      plural: 'services',
      shortNames: ['svc'],
      categories: ['all'],
      hasStatus: true,
      description: 'A name for the pods that its selector finds. There are no cluster IPs here.',
      columns: [
        column('Type', (object) => at(object, 'spec', 'type') ?? 'ClusterIP'),
        column('Cluster-IP', (object) => at(object, 'spec', 'clusterIP')),
        column('Port(s)', ports),
      ],
    },
    {
      kind: 'Secret',
      plural: 'secrets',
      description: 'Bytes that only few may read.',
      columns: [
        column('Type', (object) => object.type ?? 'Opaque'),
        column('Data', (object) => count(object.data)),
      ],
    },
    {
      kind: 'ConfigMap',
      plural: 'configmaps',
      shortNames: ['cm'],
      description: 'Texts by name.',
      columns: [column('Data', (object) => count(object.data) + count(object.binaryData))],
    },
    {
      kind: 'ServiceAccount',
      plural: 'serviceaccounts',
      shortNames: ['sa'],
      description: 'Whom a process acts as.',
      columns: [column('Secrets', (object) => count(object.secrets))],
    },
    {
      kind: 'Event',
      plural: 'events',
      shortNames: ['ev'],
      description: 'Something that happened to an object.',
      columns: [
        column('Type', (object) => object.type),
        column('Reason', (object) => object.reason),
        column(
          'Object',
          (object) =>
            `${text(at(object, 'involvedObject', 'kind')).toLowerCase()}/${text(at(object, 'involvedObject', 'name'))}`,
        ),
        column('Message', (object) => object.message),
      ],
    },
  ]),
  ...kinds('coordination.k8s.io', 'v1', [
    {
      kind: 'Lease',
      plural: 'leases',
      description: 'Something that one at a time holds, for a while.',
      columns: [column('Holder', (object) => at(object, 'spec', 'holderIdentity'))],
    },
  ]),
  ...kinds('discovery.k8s.io', 'v1', [
    {
      kind: 'EndpointSlice',
      plural: 'endpointslices',
      description: 'Addresses behind a Service.',
      columns: [
        column('AddressType', (object) => object.addressType),
        column(
          'Ports',
          (object) =>
            list(object.ports)
              .map((port) => text(port.port))
              .join(',') || '<unset>',
        ),
        column(
          'Endpoints',
          (object) =>
            list(object.endpoints)
              .flatMap((one) => one.addresses as string[])
              .join(',') || '<unset>',
        ),
      ],
    },
  ]),
  ...kinds('rbac.authorization.k8s.io', 'v1', [
    { kind: 'Role', plural: 'roles', description: 'What may be done in a namespace.' },
    {
      kind: 'RoleBinding',
      plural: 'rolebindings',
      description: 'Who may do what a role says, in a namespace.',
      columns: [role()],
    },
    { kind: 'ClusterRole', plural: 'clusterroles', namespaced: false, description: 'What may be done.' },
    {
      kind: 'ClusterRoleBinding',
      plural: 'clusterrolebindings',
      namespaced: false,
      description: 'Who may do what a role says.',
      columns: [role()],
    },
  ]),
  ...kinds('admissionregistration.k8s.io', 'v1', [
    {
      kind: 'MutatingWebhookConfiguration',
      plural: 'mutatingwebhookconfigurations',
      namespaced: false,
      counted: true,
      description:
        "Kept for reading only: the mesh's own webhooks run in this process whatever is written here.",
    },
    {
      kind: 'ValidatingWebhookConfiguration',
      plural: 'validatingwebhookconfigurations',
      namespaced: false,
      counted: true,
      description:
        "Kept for reading only: the mesh's own webhooks run in this process whatever is written here.",
    },
  ]),
  ...kinds('apiextensions.k8s.io', 'v1', [
    {
      kind: 'CustomResourceDefinition',
      plural: 'customresourcedefinitions',
      shortNames: ['crd', 'crds'],
      namespaced: false,
      access: 'read-only',
      description: "The mesh's own kinds. Others cannot be added here.",
    },
  ]),
  ...kinds('authentication.k8s.io', 'v1', [
    {
      kind: 'TokenReview',
      plural: 'tokenreviews',
      namespaced: false,
      access: 'review',
      description: 'Whose is a token?',
    },
    {
      kind: 'SelfSubjectReview',
      plural: 'selfsubjectreviews',
      namespaced: false,
      access: 'review',
      description: 'Who am I?',
    },
  ]),
  ...kinds('authorization.k8s.io', 'v1', [
    {
      kind: 'SubjectAccessReview',
      plural: 'subjectaccessreviews',
      namespaced: false,
      access: 'review',
      description: 'May somebody do this?',
    },
    {
      kind: 'SelfSubjectAccessReview',
      plural: 'selfsubjectaccessreviews',
      namespaced: false,
      access: 'review',
      description: 'May I do this?',
    },
  ]),
];

function kinds(group: string, version: string, wanted: readonly Wanted[]): readonly ResourceKind[] {
  return wanted.map((kind) => ({
    group,
    version,
    singular: kind.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    hasStatus: false,
    counted: false,
    access: 'stored',
    columns: [],
    ...kind,
  }));
}

function at(object: Json, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, field) => (isRecord(value) ? value[field] : undefined), object);
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function count(value: unknown): number {
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
}

function condition(object: Json, type: string): unknown {
  return list(at(object, 'status', 'conditions')).find((one) => one.type === type)?.status;
}

function ports(object: Json): string {
  return list(at(object, 'spec', 'ports'))
    .map(({ port, protocol }) => `${text(port)}/${text(protocol) || 'TCP'}`)
    .join(',');
}

function role(): Column {
  return column(
    'Role',
    (object) => `${text(at(object, 'roleRef', 'kind'))}/${text(at(object, 'roleRef', 'name'))}`,
  );
}
