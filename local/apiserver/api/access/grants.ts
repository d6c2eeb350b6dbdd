import { isRecord } from '#base/record.ts';

import type { ApiObject } from '../../store/object.ts';
import type { ResourceKind } from '../kind.ts';
import { forbidden } from '../api-status-error.ts';
import type { Authorizer } from './authorizer.ts';
import { MASTERS } from './user.ts';
import type { User } from './user.ts';

const RBAC = 'rbac.authorization.k8s.io';

/**
 * Nobody gives away more than they have: writing roles needs the verb `escalate`, binding one the verb `bind` on it
 * (Kubernetes, "Privilege escalation prevention and bootstrapping"). Stricter than there: holding all that a role says is
 * not enough.
 *
 * @throws ApiStatusError 403
 */
export function checkGrant(authorizer: Authorizer, user: User, kind: ResourceKind, object: ApiObject): void {
  if (kind.group !== RBAC || user.groups.includes(MASTERS)) return;
  const { name, namespace } = object.metadata;
  const role = isRecord(object.roleRef) ? object.roleRef : undefined;
  const wanted = role
    ? {
        verb: 'bind',
        resource: role.kind === 'ClusterRole' ? 'clusterroles' : 'roles',
        name: String(role.name),
      }
    : { verb: 'escalate', resource: kind.plural, name };
  if (authorizer.allows(user, { ...wanted, group: RBAC, namespace })) return;
  throw forbidden(
    kind,
    name,
    `user "${user.username}" may not ${wanted.verb} ${wanted.resource} "${wanted.name}"`,
  );
}
