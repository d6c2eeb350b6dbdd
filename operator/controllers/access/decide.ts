import { LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { ObjectName } from '#kube/api.ts';
import type { ClusterRoleBinding, Pod, RoleBinding } from '#kube/types.ts';

import { memberOf } from '../../resources/member.ts';
import type { MemberRules } from '../../resources/member.ts';
import { podServiceAccount } from '../../resources/pod.ts';

/** Name of the RoleBinding in a namespace with injected pods; elsewhere the namespace is part of the name. */
export const ACCESS_NAME = 'mesh-sidecar';
export const POLICY_ROLE = 'mesh-sidecar-policy';
export const CATALOG_ROLE = 'mesh-sidecar-catalog';

export interface AccessSituation {
  readonly namespace: string;
  readonly meshNamespace: string;
  /** The pods of the namespace that are labelled as injected; which of them are members is decided here. */
  readonly pods: readonly Pod[];
  readonly rules: MemberRules;
  /** What owns the bindings, so that removing the chart removes them. */
  readonly owner: OwnerReference | undefined;
}

/** The bindings a namespace shall have. */
export interface AccessVerdict {
  /** Rules of the namespace itself, and of the mesh's namespace: what its sidecars decide by. */
  readonly policy: readonly RoleBinding[];
  /** Services, mesh settings and endpoints of the cluster: where its sidecars find others. */
  readonly catalog: readonly ClusterRoleBinding[];
}

/** Names of everything {@link decideAccess} may make for a namespace. */
export function accessNames(
  namespace: string,
  meshNamespace: string,
): Record<'local' | 'mesh' | 'cluster', ObjectName> {
  return {
    local: { namespace, name: ACCESS_NAME },
    mesh: { namespace: meshNamespace, name: `${ACCESS_NAME}.${namespace}` },
    cluster: { name: `${ACCESS_NAME}.${namespace}` },
  };
}

/** The namespace that a binding made by the operator is for; undefined for a binding that is none of these. */
export function namespaceOfBinding(binding: {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}): string | undefined {
  const { name, namespace } = binding.metadata;
  if (name === ACCESS_NAME) return namespace;
  return name.startsWith(`${ACCESS_NAME}.`) ? name.slice(ACCESS_NAME.length + 1) : undefined;
}

/**
 * What the sidecars of a namespace may read: exactly the ServiceAccounts of its members are bound, and nobody when there are
 * none. A label makes no pod a member (`resources/member.ts`). Pure.
 */
export function decideAccess({
  namespace,
  meshNamespace,
  pods,
  owner,
  rules,
}: AccessSituation): AccessVerdict {
  const members = pods.filter((pod) => memberOf(pod, rules) !== undefined);
  const accounts = [...new Set(members.map(podServiceAccount))].sort();
  if (accounts.length === 0) return { policy: [], catalog: [] };
  const subjects = accounts.map((name) => ({ kind: 'ServiceAccount', name, namespace }));
  const names = accessNames(namespace, meshNamespace);
  const binding = (
    metadata: { readonly name: string; readonly namespace?: string },
    kind: string,
    role: string,
  ) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind,
    metadata: {
      ...metadata,
      labels: { [LABELS.managedBy]: MANAGED_BY_VALUE },
      ...(owner ? { ownerReferences: [owner] } : {}),
    },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects,
  });
  return {
    policy: [
      binding(names.local, 'RoleBinding', POLICY_ROLE),
      ...(namespace === meshNamespace ? [] : [binding(names.mesh, 'RoleBinding', POLICY_ROLE)]),
    ],
    catalog: [binding(names.cluster, 'ClusterRoleBinding', CATALOG_ROLE)],
  };
}
