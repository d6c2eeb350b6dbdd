import { OPERATOR_SERVICE } from '#core/constants.ts';
import { ACCESS_NAME } from '#operator/config/names.ts';
import { CATALOG_ROLE, POLICY_ROLE } from '#operator/controllers/access/decide.ts';
import {
  CLUSTER_PERMISSIONS,
  NAMESPACE_PERMISSIONS,
  OUTSIDE_PERMISSIONS,
  RUN_LOOKUP_PERMISSIONS,
  RUN_PERMISSIONS,
  SIDECAR_CATALOG_PERMISSIONS,
  SIDECAR_POLICY_PERMISSIONS,
} from '#operator/composition/permissions.ts';
import type { Permission } from '#operator/composition/permissions.ts';

import type { ObjectStore } from '../../apiserver/store/object-store.ts';
import type { ApiObject } from '../../apiserver/store/object.ts';

const OUTSIDE_ROLE = 'mesh-operator-outside';
const RBAC = 'rbac.authorization.k8s.io';

/**
 * What the chart installs, as far as an API server alone needs it: the namespace of the mesh, the operator's account with
 * its rights, and the roles of sidecars. The operator has no more rights here than on a cluster.
 */
export function meshObjects(meshNamespace: string): readonly ApiObject[] {
  const name = OPERATOR_SERVICE;
  const subjects = [{ kind: 'ServiceAccount', name, namespace: meshNamespace }];
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: meshNamespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: meshNamespace } },
    role('ClusterRole', { name }, CLUSTER_PERMISSIONS),
    role('Role', { name, namespace: meshNamespace }, NAMESPACE_PERMISSIONS),
    role('ClusterRole', { name: OUTSIDE_ROLE }, OUTSIDE_PERMISSIONS),
    role('ClusterRole', { name: POLICY_ROLE }, SIDECAR_POLICY_PERMISSIONS),
    role('ClusterRole', { name: CATALOG_ROLE }, SIDECAR_CATALOG_PERMISSIONS),
    binding('ClusterRoleBinding', { name }, 'ClusterRole', subjects),
    binding('ClusterRoleBinding', { name: OUTSIDE_ROLE }, 'ClusterRole', subjects),
    // The operator fills these, see operator/controllers/access.
    sidecarBinding('ClusterRoleBinding', { name: ACCESS_NAME }, CATALOG_ROLE),
    sidecarBinding('RoleBinding', { name: ACCESS_NAME, namespace: meshNamespace }, POLICY_ROLE),
    role('ClusterRole', { name: 'mesh-run' }, RUN_PERMISSIONS),
    role('ClusterRole', { name: 'mesh-run-lookup' }, RUN_LOOKUP_PERMISSIONS),
    binding('RoleBinding', { name, namespace: meshNamespace }, 'Role', subjects),
  ];
}

type Name = Pick<ApiObject['metadata'], 'name' | 'namespace'>;

function role(kind: string, metadata: Name, permissions: readonly Permission[]): ApiObject {
  const rules = permissions.map(({ apiGroups, resources, verbs, resourceNames }) => ({
    ...{ apiGroups, resources, verbs },
    ...(resourceNames ? { resourceNames } : {}),
  }));
  return { apiVersion: `${RBAC}/v1`, kind, metadata, rules };
}

function binding(kind: string, metadata: Name, roleKind: string, subjects: readonly object[]): ApiObject {
  const roleRef = { apiGroup: RBAC, kind: roleKind, name: metadata.name };
  return { apiVersion: `${RBAC}/v1`, kind, metadata, roleRef, subjects };
}

function sidecarBinding(kind: string, metadata: Name, roleName: string): ApiObject {
  const roleRef = { apiGroup: RBAC, kind: 'ClusterRole', name: roleName };
  return { apiVersion: `${RBAC}/v1`, kind, metadata, roleRef };
}

/** Removes the bindings of sidecars that earlier versions left in the data: they had the namespace in their names (decision 0030). */
export function removeOldBindings(store: ObjectStore): void {
  for (const resource of [`${RBAC}/clusterrolebindings`, `${RBAC}/rolebindings`])
    for (const object of store.list(resource))
      if (object.metadata.name.startsWith(`${ACCESS_NAME}.`)) store.remove(resource, object);
}
