import { API_GROUP, MESH_CONFIG_NAME, OPERATOR_ADDRESS_CONFIG_MAP } from '#core/constants.ts';
import { CREDENTIALS_SECRET } from '#core/model/ca-providers.ts';

import { ANCHORS_CONFIG_MAP } from '../audit/anchor.ts';
import { CA_SECRET_NAME, NEXT_CA_SECRET_NAME } from '../ca/builtin-state.ts';
import { CATALOG_ROLE, POLICY_ROLE } from '../controllers/access/decide.ts';
import { ACCESS_NAME, LEASE_NAME, WEBHOOK_NAME } from '../config/names.ts';

/** One thing the operator may do, and why it must. */
export interface Permission {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  /** Only objects of these names. */
  readonly resourceNames?: readonly string[];
  readonly reason: string;
}

const READ = ['get', 'list', 'watch'];
const RBAC = 'rbac.authorization.k8s.io';
const ADMISSION = 'admissionregistration.k8s.io';

/** What the operator may do everywhere (a ClusterRole). The chart's role is compared with this by a test. */
export const CLUSTER_PERMISSIONS: readonly Permission[] = [
  {
    apiGroups: [API_GROUP],
    resources: ['intentions', 'meshservices', 'meshconfigs'],
    verbs: READ,
    reason: 'What users wrote: precedence and conflicts, who may be which service, what holds for the mesh.',
  },
  {
    apiGroups: [API_GROUP],
    resources: ['intentions/status', 'meshservices/status', 'meshconfigs/status'],
    verbs: ['patch'],
    reason: 'What became of it, for users; virtual IPs and roots, for sidecars.',
  },
  {
    apiGroups: [API_GROUP],
    resources: ['meshservices'],
    verbs: ['create', 'patch'],
    reason:
      'The MeshService of a workload that runs under a name that no MeshService defines; one that was made for a Job goes to the workload that goes on.',
  },
  {
    apiGroups: [API_GROUP],
    resources: ['meshconfigs'],
    verbs: ['create'],
    reason: "The MeshConfig of the chart's values. Creation cannot be limited to a name.",
  },
  {
    apiGroups: [API_GROUP],
    resources: ['meshconfigs'],
    verbs: ['patch'],
    resourceNames: ['mesh'],
    reason: 'Changed values of the chart reach the MeshConfig.',
  },
  {
    apiGroups: [''],
    resources: ['pods'],
    verbs: READ,
    reason:
      'Which pods have a sidecar: instances, their ServiceAccounts, the pod that asks for a certificate, finished Jobs.',
  },
  {
    apiGroups: [''],
    resources: ['services'],
    verbs: READ,
    reason: 'Which Kubernetes Services stand for a logical service, and their cluster IPs.',
  },
  {
    apiGroups: ['discovery.k8s.io'],
    resources: ['endpointslices'],
    verbs: ['list'],
    reason: 'Whether a Kubernetes Service leads to pods outside of the mesh, before it becomes part of it.',
  },
  {
    apiGroups: [''],
    resources: ['namespaces'],
    verbs: READ,
    reason: 'The label mesh/inject of a namespace is the default of its pods.',
  },
  {
    apiGroups: [''],
    resources: ['events'],
    verbs: ['create', 'patch'],
    reason: 'Tells users what happened, at the object it happened to.',
  },
  {
    apiGroups: ['authentication.k8s.io'],
    resources: ['tokenreviews'],
    verbs: ['create'],
    reason: 'Checks the token of whoever asks for a certificate.',
  },
  {
    apiGroups: [RBAC],
    resources: ['rolebindings'],
    verbs: ['create'],
    reason:
      'The binding of the first injected pod in a namespace. Creation cannot be limited to a name; the API server limits what can be bound.',
  },
  {
    apiGroups: [RBAC],
    resources: ['rolebindings'],
    verbs: [...READ, 'patch', 'delete'],
    resourceNames: [ACCESS_NAME],
    reason:
      'Keeps exactly the ServiceAccounts of injected pods in the bindings of sidecars, repairs that, and takes it back.',
  },
  {
    apiGroups: [RBAC],
    resources: ['clusterrolebindings'],
    verbs: ['list', 'watch', 'patch'],
    resourceNames: [ACCESS_NAME],
    reason: 'The same for the one binding of the cluster, which the chart makes.',
  },
  {
    apiGroups: [RBAC],
    resources: ['clusterroles'],
    verbs: ['bind'],
    resourceNames: [POLICY_ROLE, CATALOG_ROLE],
    reason: 'Only these two roles can be given away; the API server refuses a binding to any other.',
  },
  {
    apiGroups: [RBAC],
    resources: ['clusterroles'],
    verbs: ['get'],
    resourceNames: ['mesh-operator'],
    reason:
      "The UID of the chart's own role, which owns what the operator makes, so that removing the chart removes it all.",
  },
  {
    apiGroups: [ADMISSION],
    resources: ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'],
    verbs: ['create'],
    reason: 'Registers injection and validation. Creation cannot be limited to a name.',
  },
  {
    apiGroups: [ADMISSION],
    resources: ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'],
    verbs: [...READ, 'update'],
    resourceNames: [WEBHOOK_NAME],
    reason: 'Keeps the registration right when roots change or it is edited.',
  },
];

/** What the operator may do in the mesh's own namespace only (a Role). */
export const NAMESPACE_PERMISSIONS: readonly Permission[] = [
  {
    apiGroups: [API_GROUP],
    resources: ['catalogentries'],
    verbs: [...READ, 'create', 'update', 'delete'],
    reason: 'Publishes how each service of the mesh is reached.',
  },
  {
    apiGroups: [''],
    resources: ['secrets'],
    verbs: ['create'],
    reason: 'Makes the Secret of a root. Creation cannot be limited to a name.',
  },
  {
    apiGroups: [''],
    resources: ['secrets'],
    verbs: ['get', 'update', 'delete'],
    resourceNames: [CA_SECRET_NAME],
    reason:
      'Reads the root and its key, puts another in their place at the end of a rotation, and removes them when another authority has taken over.',
  },
  {
    apiGroups: [''],
    resources: ['secrets'],
    verbs: ['get', 'delete'],
    resourceNames: [NEXT_CA_SECRET_NAME],
    reason: 'Reads the root that a rotation brings, and removes this Secret when that root is in its place.',
  },
  {
    apiGroups: [''],
    resources: ['secrets'],
    verbs: ['get'],
    resourceNames: Object.values(CREDENTIALS_SECRET),
    reason: 'Reads the credentials for Vault or step-ca, where one of them is the certificate authority.',
  },
  {
    apiGroups: [''],
    resources: ['configmaps'],
    verbs: ['get', 'patch'],
    resourceNames: [ANCHORS_CONFIG_MAP],
    reason: 'Says how far each audit file has come, where one is kept, so that cutting one off shows.',
  },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['create'],
    reason: 'Makes the lease of the leader election. Creation cannot be limited to a name.',
  },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['get', 'update'],
    resourceNames: [LEASE_NAME],
    reason: 'Takes, renews and gives back the lease.',
  },
];

/** What the operator may do everywhere besides, where machines outside may join (ClusterRole `mesh-operator-outside`). */
export const OUTSIDE_PERMISSIONS: readonly Permission[] = [
  {
    apiGroups: [''],
    resources: ['nodes'],
    verbs: ['list'],
    reason: 'Which addresses are those of nodes: a process outside of the cluster cannot have one.',
  },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['get'],
    reason: 'Whether a process outside the cluster that is registered still renews its Lease.',
  },
  {
    apiGroups: [''],
    resources: ['pods'],
    verbs: ['delete'],
    reason:
      'Deletes the registration of one that does not. It touches only pods with the label mesh.dev/run, the scheduler mesh-run and no node; RBAC cannot say so.',
  },
];

/**
 * What people may do who run processes outside the cluster with `mesh run`, in the namespaces where this is given to them
 * (ClusterRole `mesh-run`, bound by RoleBindings).
 */
export const RUN_PERMISSIONS: readonly Permission[] = [
  {
    apiGroups: [''],
    resources: ['serviceaccounts', 'services'],
    verbs: ['create'],
    reason: 'The account and the Service of a process, where they are not there yet.',
  },
  {
    apiGroups: [''],
    resources: ['services'],
    verbs: ['get'],
    reason: 'Whether a Service that is there already leads to the port of the process.',
  },
  {
    apiGroups: [''],
    resources: ['pods'],
    verbs: ['create', 'delete'],
    reason: 'The registration: a pod that no scheduler takes.',
  },
  {
    apiGroups: [''],
    resources: ['pods/status'],
    verbs: ['patch'],
    reason: 'Its address, and whether it is ready.',
  },
  {
    apiGroups: [''],
    resources: ['serviceaccounts/token'],
    verbs: ['create'],
    reason: 'The identity of the process: a token that is bound to its registration.',
  },
  {
    apiGroups: ['discovery.k8s.io'],
    resources: ['endpointslices'],
    verbs: ['create', 'patch'],
    reason: 'Where others reach it.',
  },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['create', 'patch'],
    reason: 'Its sign of life, which the operator watches.',
  },
];

/** What the same people may look at in the whole cluster (ClusterRole `mesh-run-lookup`). None of it is secret. */
export const RUN_LOOKUP_PERMISSIONS: readonly Permission[] = [
  {
    apiGroups: [API_GROUP],
    resources: ['meshconfigs'],
    verbs: ['get'],
    resourceNames: [MESH_CONFIG_NAME],
    reason: 'The trust domain, and the roots by which the operator is known.',
  },
  {
    apiGroups: [''],
    resources: ['configmaps'],
    verbs: ['get'],
    resourceNames: [OPERATOR_ADDRESS_CONFIG_MAP],
    reason: 'Where the operator is reached from outside.',
  },
  {
    apiGroups: [API_GROUP],
    resources: ['meshservices'],
    verbs: ['get'],
    reason: 'Whether there is a service that is named as an upstream.',
  },
];

/** What the ServiceAccount of an injected pod may do in the pod's own namespace and in the mesh's (ClusterRole `mesh-sidecar-policy`). */
export const SIDECAR_POLICY_PERMISSIONS: readonly Permission[] = [
  {
    apiGroups: [API_GROUP],
    resources: ['intentions'],
    verbs: READ,
    reason: 'The rules its sidecar enforces.',
  },
  {
    apiGroups: [API_GROUP],
    resources: ['meshservices'],
    verbs: READ,
    reason: 'What its own MeshService says: ports, upstreams, mTLS mode.',
  },
  {
    apiGroups: [API_GROUP],
    resources: ['catalogentries'],
    verbs: READ,
    reason: "How services of the mesh are reached. They exist in the mesh's namespace alone.",
  },
];

/** What the ServiceAccount of an injected pod may do in the whole cluster (ClusterRole `mesh-sidecar-catalog`). */
export const SIDECAR_CATALOG_PERMISSIONS: readonly Permission[] = [
  {
    apiGroups: [API_GROUP],
    resources: ['meshconfigs'],
    verbs: READ,
    reason: 'Settings of the mesh, and which roots to trust.',
  },
  {
    apiGroups: [API_GROUP],
    resources: ['meshservices'],
    verbs: READ,
    reason: 'How sidecars of the version before find services; later ones read the catalog.',
  },
  {
    apiGroups: ['discovery.k8s.io'],
    resources: ['endpointslices'],
    verbs: READ,
    reason: 'Where the services it calls can be reached.',
  },
];
