import { LABELS, MANAGED_BY_VALUE } from '#core/constants.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { Pod, RoleBinding } from '#kube/types.ts';

import { ACCESS_NAME } from '../../config/names.ts';
import { memberOf } from '../../resources/member.ts';
import type { MemberRules } from '../../resources/member.ts';
import { podServiceAccount } from '../../resources/pod.ts';

export const POLICY_ROLE = 'mesh-sidecar-policy';
export const CATALOG_ROLE = 'mesh-sidecar-catalog';

const RBAC = 'rbac.authorization.k8s.io';
/** Of one namespace. Whoever may create pods may create accounts for them, and what does not fit keeps others out. */
export const MAX_ACCOUNTS = 1_000;
/** Of all subjects of one binding as JSON, so that it fits into what etcd takes (1.5 MiB) with room to spare. */
export const MAX_SUBJECT_BYTES = 1_000_000;

/** An account as a binding names it. */
export interface AccountSubject {
  readonly kind: 'ServiceAccount';
  readonly name: string;
  readonly namespace: string;
}

/** Who of a set of accounts is bound, and how many are not, for want of room. */
export interface Subjects {
  readonly subjects: readonly AccountSubject[];
  readonly leftOut: number;
}

/**
 * The accounts whose sidecars need access: exactly those of members, each once, sorted. A label makes no pod a member
 * (`resources/member.ts`). Pure.
 */
export function accountsOf(pods: readonly Pod[], rules: MemberRules): readonly string[] {
  const members = pods.filter((pod) => memberOf(pod, rules) !== undefined);
  return [...new Set(members.map(podServiceAccount))].sort();
}

/** The subjects of the binding in a namespace: rules of the namespace itself. Pure. */
export function localSubjects(namespace: string, accounts: readonly string[]): Subjects {
  const subjects = accounts
    .slice(0, MAX_ACCOUNTS)
    .map((name) => ({ kind: 'ServiceAccount' as const, name, namespace }));
  return { subjects, leftOut: accounts.length - subjects.length };
}

/**
 * The subjects of what all namespaces share: rules of the mesh's namespace, and the catalog of the cluster. Where not all have room,
 * the namespaces with the fewest accounts come first, so that one with very many is left out rather than everybody else. Pure.
 */
export function sharedSubjects(accounts: ReadonlyMap<string, readonly string[]>): Subjects {
  const each = [...accounts].map(([namespace, names]) => localSubjects(namespace, names));
  const bySize = each
    .map(({ subjects }) => ({ subjects, bytes: JSON.stringify(subjects).length }))
    .sort((a, b) => a.bytes - b.bytes);
  let room = MAX_SUBJECT_BYTES;
  const fitting = bySize.filter(({ bytes }) => (room -= bytes) >= 0).flatMap(({ subjects }) => subjects);
  const total = [...accounts.values()].reduce((sum, { length }) => sum + length, 0);
  return { subjects: fitting.sort(byName), leftOut: total - fitting.length };
}

function byName(a: AccountSubject, b: AccountSubject): number {
  const [one, other] = [`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`];
  return one < other ? -1 : one > other ? 1 : 0;
}

/**
 * The RoleBinding of a namespace. Pure.
 *
 * @param owner what owns it, so that removing the chart removes it
 */
export function roleBinding(
  namespace: string,
  subjects: readonly AccountSubject[],
  owner: OwnerReference | undefined,
): RoleBinding {
  return {
    apiVersion: `${RBAC}/v1`,
    kind: 'RoleBinding',
    metadata: {
      name: ACCESS_NAME,
      namespace,
      labels: { [LABELS.managedBy]: MANAGED_BY_VALUE },
      ...(owner ? { ownerReferences: [owner] } : {}),
    },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: POLICY_ROLE },
    subjects,
  };
}
