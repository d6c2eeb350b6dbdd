import type {
  CoreV1Event,
  V1ClusterRole,
  V1ClusterRoleBinding,
  V1ConfigMap,
  V1Deployment,
  V1Lease,
  V1MutatingWebhookConfiguration,
  V1Namespace,
  V1Node,
  V1Pod,
  V1RoleBinding,
  V1Secret,
  V1Service,
  V1ServiceAccount,
  V1SubjectAccessReview,
  V1TokenReview,
  V1ValidatingWebhookConfiguration,
} from '@kubernetes/client-node';

import { API_GROUP, API_VERSION } from '#core/constants.ts';
import type { CatalogEntry } from '#core/model/catalog-entry.ts';
import type { Intention } from '#core/model/intention.ts';
import type { MeshConfig } from '#core/model/mesh-config.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { KubeObject } from '#core/resource.ts';
import type { ResourceType } from './api.ts';

/** The kinds of objects the mesh reads and writes. */

/** A class of the client library as JSON carries it: dates are text (the library says `Date`), and nothing is to be changed in place. */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Wire<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Wire<T[Key]> }
      : T;

type FromLibrary<T> = Omit<Wire<T>, 'metadata' | 'apiVersion' | 'kind'> & KubeObject;

export type Pod = FromLibrary<V1Pod>;
export type Service = FromLibrary<V1Service>;
export type Namespace = FromLibrary<V1Namespace>;
export type Node = FromLibrary<V1Node>;
export type Secret = FromLibrary<V1Secret>;
export type ConfigMap = FromLibrary<V1ConfigMap>;
export type ServiceAccount = FromLibrary<V1ServiceAccount>;
/** An Event of the core group. */
export type Event = FromLibrary<CoreV1Event>;
export type Deployment = FromLibrary<V1Deployment>;
export type Lease = FromLibrary<V1Lease>;
/** Create it and read `status` of the answer; it is not stored. `metadata: { name: '' }` will do. */
export type TokenReview = FromLibrary<V1TokenReview>;
/** Create it and read `status` of the answer; it is not stored. `metadata: { name: '' }` will do. */
export type SubjectAccessReview = FromLibrary<V1SubjectAccessReview>;
export type RoleBinding = FromLibrary<V1RoleBinding>;
export type ClusterRole = FromLibrary<V1ClusterRole>;
export type ClusterRoleBinding = FromLibrary<V1ClusterRoleBinding>;
export type MutatingWebhook = FromLibrary<V1MutatingWebhookConfiguration>;
export type ValidatingWebhook = FromLibrary<V1ValidatingWebhookConfiguration>;

function type<T extends KubeObject>(
  apiVersion: string,
  plural: string,
  kind: string,
  scope: 'namespaced' | 'cluster',
): ResourceType<T> {
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  return { group, version, plural, kind, namespaced: scope === 'namespaced' };
}

const MESH = `${API_GROUP}/${API_VERSION}`;
const RBAC = 'rbac.authorization.k8s.io/v1';
const ADMISSION = 'admissionregistration.k8s.io/v1';

export const INTENTIONS = type<Intention>(MESH, 'intentions', 'Intention', 'namespaced');
export const MESH_SERVICES = type<MeshService>(MESH, 'meshservices', 'MeshService', 'namespaced');
export const MESH_CONFIGS = type<MeshConfig>(MESH, 'meshconfigs', 'MeshConfig', 'cluster');
export const CATALOG_ENTRIES = type<CatalogEntry>(MESH, 'catalogentries', 'CatalogEntry', 'namespaced');

export const PODS = type<Pod>('v1', 'pods', 'Pod', 'namespaced');
export const SERVICES = type<Service>('v1', 'services', 'Service', 'namespaced');
export const NAMESPACES = type<Namespace>('v1', 'namespaces', 'Namespace', 'cluster');
export const NODES = type<Node>('v1', 'nodes', 'Node', 'cluster');
export const SECRETS = type<Secret>('v1', 'secrets', 'Secret', 'namespaced');
export const CONFIG_MAPS = type<ConfigMap>('v1', 'configmaps', 'ConfigMap', 'namespaced');
export const SERVICE_ACCOUNTS = type<ServiceAccount>('v1', 'serviceaccounts', 'ServiceAccount', 'namespaced');
export const EVENTS = type<Event>('v1', 'events', 'Event', 'namespaced');
export const DEPLOYMENTS = type<Deployment>('apps/v1', 'deployments', 'Deployment', 'namespaced');
export const LEASES = type<Lease>('coordination.k8s.io/v1', 'leases', 'Lease', 'namespaced');

export const TOKEN_REVIEWS = type<TokenReview>(
  'authentication.k8s.io/v1',
  'tokenreviews',
  'TokenReview',
  'cluster',
);
export const ROLE_BINDINGS = type<RoleBinding>(RBAC, 'rolebindings', 'RoleBinding', 'namespaced');
export const CLUSTER_ROLES = type<ClusterRole>(RBAC, 'clusterroles', 'ClusterRole', 'cluster');
export const CLUSTER_ROLE_BINDINGS = type<ClusterRoleBinding>(
  RBAC,
  'clusterrolebindings',
  'ClusterRoleBinding',
  'cluster',
);

export const MUTATING_WEBHOOKS = type<MutatingWebhook>(
  ADMISSION,
  'mutatingwebhookconfigurations',
  'MutatingWebhookConfiguration',
  'cluster',
);
export const VALIDATING_WEBHOOKS = type<ValidatingWebhook>(
  ADMISSION,
  'validatingwebhookconfigurations',
  'ValidatingWebhookConfiguration',
  'cluster',
);

/** `apiVersion` of a type, as objects carry it. */
export function apiVersionOf(resource: ResourceType): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}
